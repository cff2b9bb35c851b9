"""The page in a real browser: what is dropped, seen, downloaded and refused, on a desk and on a phone."""

import json
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from browsers import contrast, find, find_all, luminance, open_browser, prefer, show_on
from PIL import Image

from bsr_plugin.cli import main
from tests.serve.conftest import PATIENCE, animation, noise, png_bomb, save

pytestmark = pytest.mark.browser


@pytest.fixture(scope='module')
def browser():
    with open_browser() as browser:
        yield browser


@pytest.fixture
def page(browser, served, tmp_path):
    """The page, freshly opened on a desk, in the light scheme; downloads go to ``tmp_path / 'downloads'``."""
    served.gate.opened.set()
    browser.get_log('browser')
    browser.get_log('performance')
    downloads = {'behavior': 'allow', 'downloadPath': str(tmp_path / 'downloads')}
    browser.execute_cdp_cmd('Browser.setDownloadBehavior', downloads)
    opened(browser, served)
    yield browser
    first, *others = browser.window_handles
    for window in others:
        browser.switch_to.window(window)
        browser.close()
    browser.switch_to.window(first)
    browser.get('about:blank')


def opened(browser, served, width=1280, scheme='light'):
    show_on(browser, width, 900)
    prefer(browser, scheme)
    browser.get(served.url)
    wait_for(lambda: find_all(browser, '#upload input[type=file]'))


def wait_for(condition):
    """What a condition gives as soon as that is true."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with suppress(Exception):  # elements are replaced while they are looked at
            if answer := condition():
                return answer
        time.sleep(0.05)
    raise AssertionError('It did not happen.')


def drop(page, path):
    find(page, '#upload input[type=file]').send_keys(str(path))


def choose(page, name):
    find(page, f'#network input[value="{name}"]').click()


def download_button(page):
    return wait_for(lambda: [button for button in find_all(page, '#download') if button.is_displayed()])[0]


def problem(page):
    return wait_for(lambda: find(page, '#status [role=alert]').text)


def toast(page):
    return wait_for(lambda: find(page, '[data-testid=toast-body]').text)


def images(page):
    """The two pictures of the slider, as the browser has decoded them."""
    both = wait_for(lambda: len(find_all(page, '#slider img')) == 2 and find_all(page, '#slider img'))
    wait_for(lambda: all(page.execute_script('return arguments[0].naturalWidth', image) for image in both))
    return both


def downloaded(page, name, tmp_path):
    download_button(page).click()
    wait_for((tmp_path / 'downloads' / name).exists)
    return (tmp_path / 'downloads' / name).read_bytes()


def requests(browser):
    """Addresses of all that was asked for since the log was read."""
    messages = (json.loads(entry['message'])['message'] for entry in browser.get_log('performance'))
    return [
        message['params']['request']['url'] for message in messages if message['method'] == 'Network.requestWillBeSent'
    ]


def test_a_dropped_image_is_compared_and_downloaded(page, served, tiny, tmp_path):
    photo = tmp_path / 'my photo.png'
    pixels = np.random.default_rng(0).integers(0, 65536, (60, 80, 3), np.uint16)
    import cv2

    assert cv2.imwrite(str(photo), pixels)
    drop(page, photo)
    content = downloaded(page, 'my photo_x2.png', tmp_path)
    assert main(['upscale', str(photo), '-o', str(tmp_path / 'expected.png'), '--weights', str(tiny)]) == 0
    assert content == (tmp_path / 'expected.png').read_bytes()

    told = find(page, '#status').text
    assert told.startswith('my photo.png: 80 x 60 to 160 x 120 pixels by tiny_x2, ')
    assert 'megapixels per second (' in told
    assert download_button(page).text.startswith('Download my photo_x2.png (')
    sources = [image.get_attribute('src') for image in images(page)]
    assert [source.rpartition('/')[2] for source in sources] == ['bicubic.png', 'BSR.png']
    sizes = page.execute_script('return [...arguments].map((i) => [i.naturalWidth, i.naturalHeight])', *images(page))
    assert sizes == [[160, 120], [160, 120]]

    addresses = [address for address in requests(page) if not address.startswith(('data:', 'blob:'))]
    assert len(addresses) > 20
    assert [address for address in addresses if not address.startswith(served.url + '/')] == []
    assert [entry for entry in page.get_log('browser') if entry['level'] == 'SEVERE'] == []


def clipped(image):
    """How much of a picture is cut off on the left, of its width."""
    words = image.value_of_css_property('clip-path').strip('inset()').split()
    return float(words[-1].rstrip('%px'))


def test_dragging_the_handle_uncovers_one_picture_under_the_other(page, tmp_path):
    from selenium.webdriver import ActionChains

    drop(page, save(tmp_path / 'a.png', noise(200, 300, 3)))
    _, result = images(page)
    before = clipped(result)
    ActionChains(page).click_and_hold(find(page, '#slider .inner')).move_by_offset(120, 0).release().perform()
    assert clipped(result) > before


@pytest.mark.parametrize(
    ('name', 'make', 'sentence'),
    [
        ('broken.png', lambda path: path.write_bytes(b'no <b>pixels'), 'broken.png cannot be read ('),
        ('cut.jpg', lambda path: path.write_bytes(jpeg(path)[:900]), 'cut.jpg cannot be read ('),
        (
            'bomb.png',
            lambda path: path.write_bytes(png_bomb(90_000, 90_000)),
            'bomb.png has 90000 x 90000 pixels, more',
        ),
        ('a.gif', animation, 'a.gif holds several images: save the one you want as a file of its own.'),
    ],
)
def test_what_is_refused_has_its_sentence_on_the_page(page, served, tmp_path, name, make, sentence):
    make(tmp_path / name)
    drop(page, tmp_path / name)
    told = problem(page)
    assert told.startswith(sentence)
    assert str(served.folder) not in told
    assert not find_all(page, '#slider img')


def jpeg(path):
    return save(path, noise(64, 64, 3)).read_bytes()


def test_after_a_broken_file_the_next_is_upscaled_and_the_sentence_is_gone(page, tmp_path):
    (tmp_path / 'broken.png').write_bytes(b'no pixels')
    drop(page, tmp_path / 'broken.png')
    problem(page)
    find(page, '#upload button[aria-label="Clear"], #upload button[aria-label="Remove this file"]').click()
    wait_for(lambda: find_all(page, '#upload input[type=file]'))
    drop(page, save(tmp_path / 'good.png', noise(20, 20, 3)))
    download_button(page)
    assert not find_all(page, '#status [role=alert]')


def test_without_an_image_there_is_a_sentence(page):
    find(page, '#upscale').click()
    assert problem(page) == 'There is no image yet: drop one above.'


def test_a_file_that_is_too_large_is_not_taken(page, served, tmp_path):
    before = served.files()
    (tmp_path / 'large.png').write_bytes(bytes(3_000_000))
    drop(page, tmp_path / 'large.png')
    assert 'File(s) exceed the maximum allowed size of 1.0 Mb: "large.png"' in toast(page)
    assert served.files() == before


def test_another_network_by_its_name(page, tmp_path):
    pixels = noise(30, 40, 3)
    choose(page, 'gate')
    drop(page, save(tmp_path / 'a.png', pixels))
    content = downloaded(page, 'a_x2.png', tmp_path)
    (tmp_path / 'a_x2.png').write_bytes(content)
    assert (np.asarray(Image.open(tmp_path / 'a_x2.png')) == pixels.repeat(2, 0).repeat(2, 1)).all()
    choose(page, 'tiny_x2')
    find(page, '#upscale').click()
    wait_for(lambda: ' by tiny_x2, ' in find(page, '#status').text)


def test_jobs_wait_for_each_other_and_beyond_the_queue_there_is_a_sentence(page, served, tmp_path):
    served.gate.shut()
    choose(page, 'gate')
    drop(page, save(tmp_path / 'a.png', noise(20, 20, 3)))
    assert served.gate.reached.wait(PATIENCE)
    first = page.current_window_handle

    page.switch_to.new_window('tab')
    opened(page, served)
    drop(page, save(tmp_path / 'b.png', noise(24, 24, 3)))
    wait_for(lambda: 'queue: 1/1' in find(page, '#slider').text)
    second = page.current_window_handle

    page.switch_to.new_window('tab')
    opened(page, served)
    drop(page, save(tmp_path / 'c.png', noise(28, 28, 3)))
    assert 'This application is currently busy. Please try again.' in toast(page)

    served.gate.opened.set()
    for window, name in ((first, 'a_x2.png'), (second, 'b_x2.png')):
        page.switch_to.window(window)
        assert name in download_button(page).text


def test_a_closed_page_gives_its_place_and_its_files_away(page, served, tmp_path):
    served.gate.shut()
    first = page.current_window_handle
    page.switch_to.new_window('tab')
    opened(page, served)
    choose(page, 'gate')
    drop(page, save(tmp_path / 'closed.png', noise(20, 20, 3)))
    assert served.gate.reached.wait(PATIENCE)
    assert 'closed.png' in {path.name for path in served.files()}
    page.close()
    page.switch_to.window(first)
    wait_for(lambda: 'closed.png' not in {path.name for path in served.files()})
    served.gate.opened.set()
    drop(page, save(tmp_path / 'next.png', noise(20, 20, 3)))
    download_button(page)
    assert not [path for path in served.files() if path.name.startswith('closed')]


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_on_a_phone_the_page_is_as_wide_as_the_screen(page, served, tmp_path, scheme):
    opened(page, served, width=360, scheme=scheme)
    photo = save(tmp_path / f'{"long_name" * 12}.png', noise(40, 300, 3))
    drop(page, photo)
    button = download_button(page)
    images(page)
    assert page.execute_script('return document.documentElement.scrollWidth') <= 360
    for selector in ('#upload', '#network', '#slider', '#download', '#status'):
        box = find(page, selector).rect
        assert box['x'] >= 0
        assert box['x'] + box['width'] <= 360
    paper = find(page, 'body').value_of_css_property('background-color')
    assert (luminance(paper) < 0.05) == (scheme == 'dark')
    for selector in ('h1', '.prose p', '#network label span'):
        assert contrast(find(page, selector).value_of_css_property('color'), paper) > 4.5, selector
    assert Path(photo.stem).name in button.text
