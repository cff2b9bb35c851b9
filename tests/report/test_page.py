"""The page needs nothing but itself, and names from outside cannot break it."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from bsr_plugin.report.baselines import measure_baselines
from bsr_plugin.report.build import build_report, load_runs
from bsr_plugin.report.curves import Curve, curves_figure
from bsr_plugin.report.page import Content, render
from bsr_plugin.report.style import PAGE, inline_svg
from bsr_plugin.report.tables import comparison_tables


class Checker(HTMLParser):
    """Collects what a browser would fetch, and checks that tags are closed in order."""

    VOID = frozenset({'meta', 'img', 'br', 'link', 'input'})

    def __init__(self):
        super().__init__()
        self.fetched: list[str] = []
        self.open: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.fetched += [values[key] for key in ('src', 'href', 'xlink:href') if values.get(key)]
        self.ids += [values['id']] if 'id' in values else []
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, (tag, self.getpos())


@pytest.fixture(scope='module')
def page(project, tmp_path_factory):
    out = tmp_path_factory.mktemp('report')
    build_report([project.first, project.second], out, examples=2)
    return out / 'index.html'


def test_nothing_is_fetched_from_anywhere(page):
    text = page.read_text()
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    assert all(address.startswith(('data:', '#')) for address in checker.fetched)
    assert len(checker.fetched) > 10
    assert not re.search(r'@import|url\((?!#)', text)
    anchors = {address[1:] for address in checker.fetched if address.startswith('#')}
    assert anchors <= set(checker.ids)


def test_every_part_is_there(page):
    text = page.read_text()
    sections = re.findall(r'<section id="(\w+)">', text)
    assert sections == ['measured', 'tables', 'pictures', 'images', 'cost', 'curves', 'pic', 'attention']
    assert text.count('class="compare"') == 2
    assert 'Differences are from first.' in text


def test_plots_take_the_colours_of_the_page(page):
    text = page.read_text()
    plots = re.findall(r'<svg .*?</svg>', text, flags=re.DOTALL)
    assert len(plots) == 4  # quality against cost, curves, PIC, attention of the run that had weights
    for svg in plots:
        ET.fromstring(svg.replace('<svg ', '<svg xmlns:xlink="http://www.w3.org/1999/xlink" ', 1))
        colours = set(re.findall(r'#[0-9a-f]{6}\b', svg))
        assert colours == set(), colours
        assert 'var(--ink)' in svg
    assert 'var(--series-1)' in text


def test_what_is_doubtful_stands_at_the_top(page):
    text = page.read_text()
    warning = 'second has no weights (pretrain_network_g is ~): its figures are those of a random network.'
    assert text.count(warning) == 1
    assert text.index('</header>') < text.index(warning) < text.index('<section')


def test_nan_is_shown_and_sorted_last(project):
    (run,) = load_runs([project.first])
    (part,) = run.sets
    values = [{**part.images[0].values, 'psnr_y': float('nan')}, {**part.images[1].values, 'psnr_y': float('inf')}]
    images = [replace(image, values=each) for image, each in zip(part.images, values, strict=False)]
    result = replace(run, sets=[replace(part, images=images, mean=values[0])])
    text = render(Content('', [result], {}, comparison_tables([result], {})))
    assert text.count('<td data-value="">NaN</td>') == 2  # the mean and the image
    assert '<td data-value="Infinity">inf</td>' in text
    assert '<td data-value="nan">' not in text


def test_names_from_files_are_text_and_nothing_else(project):
    (run,) = load_runs([project.second])
    evil = '<script>alert(1)</script>&"'
    (part,) = run.sets
    images = [replace(image, name=evil) for image in part.images]
    result = replace(run, name=evil, sets=[replace(part, name=evil, images=images)])
    baselines, _ = measure_baselines([part])
    text = render(Content(evil, [result], baselines, comparison_tables([result], baselines), problems=[evil]))

    assert '<script>alert' not in text
    assert text.count('&lt;script&gt;alert(1)&lt;/script&gt;&amp;&#34;') > 10
    checker = Checker()
    checker.feed(text)
    assert checker.open == []


def test_a_name_in_a_plot_is_text_too():
    import numpy as np

    curve = Curve(np.array([1, 2]), np.array([1.0, 2.0]))
    svg = inline_svg(curves_figure({'<b>&': {'lr': curve}}, PAGE), 'x')
    assert '&lt;b&gt;&amp;' in svg
    assert '<b>' not in svg
