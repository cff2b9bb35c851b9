"""The page in a real browser, from the disk: what is seen, dragged, sorted and read on a phone."""

import base64
import io

import cv2
import numpy as np
import pytest
from browsers import contrast, find, find_all, luminance, open_browser, prefer, show_on
from PIL import Image

from bsr_plugin.report.baselines import measure_baselines
from bsr_plugin.report.build import build_report, load_runs
from bsr_plugin.report.examples import choose, load_example

pytestmark = pytest.mark.browser


@pytest.fixture(scope='module')
def browser():
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope='module')
def address(project, tmp_path_factory):
    out = tmp_path_factory.mktemp('report')
    build_report([project.first, project.second], out, examples=2)
    return (out / 'index.html').as_uri()


@pytest.fixture(scope='module')
def example(project):
    """The image that the page shows first."""
    runs = load_runs([project.first, project.second])
    baselines, _ = measure_baselines(part for run in runs for part in run.sets)
    part, image = choose(runs, baselines, 2)[0]
    return load_example(runs, part, image, baselines)


@pytest.fixture
def page(browser, address):
    """The page, freshly opened in a window as wide as a desk's, in the light scheme."""
    show_on(browser, 1280, 1000)
    prefer(browser, 'light')
    browser.get(address)
    return browser


def body_rows(table):
    return table.find_elements('css selector', 'tbody tr')


def column(table, number):
    return [row.find_elements('css selector', 'td')[number].text for row in body_rows(table)]


def test_it_opens_from_the_disk_without_a_word_of_complaint(page):
    assert page.execute_script('return location.protocol') == 'file:'
    assert [section.get_attribute('id') for section in find_all(page, 'section')] == [
        'measured', 'tables', 'pictures', 'images', 'cost', 'curves', 'pic', 'attention',
    ]  # fmt: skip
    fetched = page.execute_script('return performance.getEntriesByType("resource").map((entry) => entry.name)')
    assert all(name.startswith('data:') for name in fetched), fetched
    assert page.get_log('browser') == []
    loaded = page.execute_script(
        'return [...document.images].every((image) => image.complete && image.naturalWidth > 0)'
    )
    assert loaded


def test_the_tables_show_what_was_measured(page, project):
    from bsr_plugin.evaluation.results import read_results

    measured = find(page, '#measured-table')
    assert column(measured, 0) == ['first', 'second']
    (part,) = read_results(project.first).sets
    assert column(measured, 7)[0] == f'{part.mean["psnr_y"]:.2f}'
    comparison = find(page, 'table.comparison')
    rows = {row.find_element('css selector', 'th').text: row for row in body_rows(comparison)}
    heads = [head for head in rows if not head.endswith(', shipped')]
    assert heads[-4:] == ['BSR', 'Bicubic, measured here', 'first', 'second']
    parameters, macs, bsr = rows['BSR'].find_elements('css selector', 'td')[:3]
    assert (parameters.text, macs.text) == ('', '')
    assert rows['VDSR'].find_element('css selector', 'td').text == '665 K'
    assert bsr.text.split('\n')[0] == '38.30'
    assert bsr.text.split('\n')[1].startswith(f'{38.30 - part.mean["psnr_y"]:+.2f} #')


def test_a_click_on_a_head_sorts_and_a_second_one_turns_the_order(page):
    table = find(page, '#images-0')
    names = column(table, 0)
    assert names == ['baby', 'bird', 'butterfly', 'head', 'woman']
    heads = table.find_elements('css selector', 'thead th')
    number = [head.text for head in heads].index('first PSNR-Y')
    button = heads[number].find_element('css selector', 'button')

    button.click()
    falling = [float(text) for text in column(table, number)]
    assert falling == sorted(falling, reverse=True)
    assert heads[number].get_attribute('aria-sort') == 'descending'
    assert sorted(column(table, 0)) == names

    button.click()
    assert [float(text) for text in column(table, number)] == falling[::-1]
    assert heads[number].get_attribute('aria-sort') == 'ascending'

    heads[0].find_element('css selector', 'button').click()
    assert column(table, 0) == names
    assert heads[number].get_attribute('aria-sort') is None


def region_of(example, label):
    """(H, W, 3) RGB of what the page shows of a version, every pixel doubled."""
    version = next(version for version in example.versions if version.label == label)
    return version.picture[example.region][..., ::-1].repeat(2, axis=0).repeat(2, axis=1)


def screenshot(element):
    return np.asarray(Image.open(io.BytesIO(element.screenshot_as_png)).convert('RGB'))


def drag(page, stage, share):
    """Drags the handle of a stage from where it is to a share of its width."""
    from selenium.webdriver import ActionChains

    handle = stage.find_element('css selector', '.handle')
    box = page.execute_script('return arguments[0].getBoundingClientRect().toJSON()', stage)
    now = float(stage.get_attribute('aria-valuenow')) / 100
    ActionChains(page).click_and_hold(handle).move_by_offset(round((share - now) * box['width']), 0).release().perform()


def test_dragging_the_handle_uncovers_one_picture_under_the_other(page, example):
    figure = find(page, '#picture-0')
    stage = figure.find_element('css selector', '.stage')
    figure.find_element('css selector', '.zoom button[data-zoom="2"]').click()
    bicubic, first = region_of(example, 'Bicubic'), region_of(example, 'first')
    width = bicubic.shape[1]
    inner = slice(40, -8)  # the labels lie above, corners are round

    for share in (0.25, 0.8):
        drag(page, stage, share)
        assert float(stage.get_attribute('aria-valuenow')) == pytest.approx(100 * share, abs=1.5)
        seen, split = screenshot(stage), round(share * width)
        assert seen.shape == bicubic.shape
        left, right = slice(8, split - 20), slice(split + 20, -8)
        np.testing.assert_array_equal(seen[inner, left], bicubic[inner, left])
        np.testing.assert_array_equal(seen[inner, right], first[inner, right])


def test_the_pictures_to_compare_can_be_chosen_and_the_handle_moved_by_keys(page, example):
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.select import Select

    figure = find(page, '#picture-0')
    stage = figure.find_element('css selector', '.stage')
    left, right = map(Select, figure.find_elements('css selector', 'select'))
    captions = [version.caption for version in example.versions]
    assert [option.text for option in left.options] == [option.text for option in right.options] == captions
    figure.find_element('css selector', '.zoom button[data-zoom="2"]').click()

    inner = slice(40, -8), slice(30, -30)  # without labels, round corners and the handle at the ends
    right.select_by_visible_text('HR')
    assert stage.find_element('css selector', '.tag.right').text == 'HR'
    stage.send_keys(Keys.HOME)
    assert stage.get_attribute('aria-valuenow') == '0'
    np.testing.assert_array_equal(screenshot(stage)[inner], region_of(example, 'HR')[inner])
    stage.send_keys(Keys.ARROW_RIGHT)
    assert stage.get_attribute('aria-valuenow') == '2'
    left.select_by_index(2)
    stage.send_keys(Keys.END)
    np.testing.assert_array_equal(screenshot(stage)[inner], region_of(example, 'second')[inner])


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_text_and_plots_can_be_read_in_both_schemes(page, scheme):
    prefer(page, scheme)
    paper = find(page, 'body').value_of_css_property('background-color')
    assert (luminance(paper) < 0.05) == (scheme == 'dark')
    for selector in ('h1', 'td', 'figcaption', 'a', '.up, .down'):
        assert contrast(find(page, selector).value_of_css_property('color'), paper) > 4.5, selector
    for plot in ('curves', 'pic', 'attention'):
        words = find_all(page, f'#{plot} svg text')
        assert len(words) > 5
        for word in words:
            assert contrast(word.value_of_css_property('fill'), paper) > 4.5, (plot, word.text)


def test_on_a_phone_the_page_is_as_wide_as_the_screen(page):
    show_on(page, 390, 844)
    page.refresh()
    assert page.execute_script('return document.documentElement.scrollWidth') <= 390
    for box in find_all(page, '.scroll, .plot, .viewport'):
        assert box.size['width'] <= 390
    # Tables and plots are moved sideways in their boxes, at a size that can be read.
    assert min(word.rect['height'] for word in find_all(page, 'svg text')) > 6
    first = find(page, '.comparison tbody th')
    scroller = find(page, '#tables .scroll')
    before = first.rect['x']
    page.execute_script('arguments[0].scrollLeft = 200', scroller)
    assert first.rect['x'] == before  # the methods stay in sight
    stage = find(page, '#picture-0 .stage')
    assert 300 < stage.size['width'] <= 390
    drag(page, stage, 0.3)
    assert float(stage.get_attribute('aria-valuenow')) == pytest.approx(30, abs=2)


def test_the_detail_in_the_strip_is_the_versions_own_pixels(page, example):
    source = find(page, '#picture-0 .strip img').get_attribute('src')
    data = np.frombuffer(base64.b64decode(source.split(',')[1]), np.uint8)
    top, left, side = example.detail
    expected = example.versions[0].picture[top : top + side, left : left + side]
    np.testing.assert_array_equal(cv2.imdecode(data, cv2.IMREAD_COLOR), expected)
