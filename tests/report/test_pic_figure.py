"""The plot of the PIC distribution shows the shares it is given, and patches below their intervals."""

import numpy as np
import pytest

from bsr_plugin.cli import main
from bsr_plugin.data.pic_index_store import open_or_build_index
from bsr_plugin.data.store import open_store
from bsr_plugin.pic.intervals import IntervalRule
from bsr_plugin.report.pic_distribution import balanced_shares, distribution_of, example_patches, uniform_shares
from bsr_plugin.report.pic_figure import distribution_figure, pic_figure


def patch(value):
    return np.full((8, 8, 3), value, np.uint8)


def test_bars_and_patches():
    edges, before, after = np.array([0, 10, 20, 30.0]), np.array([0.7, 0.2, 0.1]), np.full(3, 1 / 3)
    figure = pic_figure(edges, before, after, [[patch(1), patch(2)], [], [patch(3)]])

    chart, strip = figure.axes
    heights = [bar.get_height() for bar in chart.patches]
    assert heights == pytest.approx([*before, *after])
    assert [text.get_text() for text in chart.get_xticklabels()] == ['0-10', '10-20', '≥ 20']
    placed = [(image.get_array()[0, 0, 0], np.mean(image.get_extent()[:2])) for image in strip.images]
    assert placed == [(1, 0), (2, 0), (3, 2)]
    assert strip.get_xlim() == chart.get_xlim() == (-0.5, 2.5)


def test_256_intervals_keep_their_bars_and_few_labels():
    figure = pic_figure(np.arange(257.0), np.full(256, 1 / 256), np.full(256, 1 / 256), [[patch(0)]] * 256)
    chart, strip = figure.axes
    assert len(chart.patches) == 512
    assert len(chart.get_xticklabels()) == len(strip.images) == 16


def test_the_figure_of_a_store_is_that_of_its_index(project):
    figure = distribution_figure(distribution_of(project.lr_store, 16, IntervalRule(bins=4)))

    store = open_store(project.lr_store, 'lmdb')
    index = open_or_build_index(store, 16, 'max', IntervalRule(bins=4))
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    assert heights == pytest.approx([*uniform_shares(index), *balanced_shares(index)])
    assert heights[4:] == pytest.approx([0.25] * 4)
    assert sum(map(len, example_patches(store, index))) == len(figure.axes[1].images)


def test_the_distribution_of_another_score(project, capsys):
    paths = {'hr': project.lr_store.with_name('HR_x2.lmdb'), 'score': 'residual'}
    found = distribution_of(project.lr_store, 16, IntervalRule(4, spacing='quantile'), **paths)
    assert found.index.key['score'] == 'residual'
    counts = found.index.counts.sum(axis=0)
    assert counts / counts.sum() == pytest.approx([0.25] * 4, abs=0.02)
    words = ['pic', str(project.lr_store), '--lr-window', '16', '--score', 'residual']
    assert main([*words, '--hr', str(paths['hr'])]) == 0
    assert 'residual of bicubic interpolation in grey levels' in capsys.readouterr().out
    assert main(words) == 2
    assert 'name the HR images with --hr.' in capsys.readouterr().err
