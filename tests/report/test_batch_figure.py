"""The figure of batches shows the patches that the samplers draw, from the smoothest to the richest."""

import numpy as np
import pytest

from bsr_plugin.cli import main
from bsr_plugin.pic.balance import BalanceRule
from bsr_plugin.pic.balanced import BalancedSampler
from bsr_plugin.pic.draws import batch_generator
from bsr_plugin.pic.intervals import IntervalRule
from bsr_plugin.pic.uniform import UniformSampler
from bsr_plugin.report.batch_figure import batch_figure, drawn_batch
from bsr_plugin.report.pic_distribution import distribution_of


@pytest.fixture
def distribution(project):
    return distribution_of(project.lr_store, 16, IntervalRule(bins=4))


def test_patches_are_those_of_the_sampler_in_the_order_of_their_intervals(distribution):
    store, index = distribution.store, distribution.index
    batch = drawn_batch(store, index, UniformSampler(index), seed=3)
    draws = UniformSampler(index).draw(batch_generator(3, 0, 0), 16, 0)
    expected = set()
    for image, position in zip(draws.images.tolist(), draws.positions.tolist(), strict=True):
        top, left = divmod(position, store.image(image).shape[1] - 15)
        expected.add(np.ascontiguousarray(store.image(image)[top : top + 16, left : left + 16, ::-1]).tobytes())
    assert {patch.tobytes() for patch in batch.patches} == expected
    assert batch.intervals.tolist() == sorted(draws.intervals.tolist())


def test_the_figure_has_a_batch_of_each_and_says_how_many_intervals_they_serve(distribution):
    upper, lower = batch_figure(distribution).subfigs
    assert lower.get_suptitle() == 'A batch by random filter sampling: 4 of 4 intervals of PIC'
    index = distribution.index
    balanced = drawn_batch(distribution.store, index, BalancedSampler(index, BalanceRule().of(index)))
    assert np.bincount(balanced.intervals).tolist() == [4] * 4
    shown = [axes.images[0].get_array() for axes in lower.axes if axes.images]
    assert np.array_equal(np.stack(shown), balanced.patches)
    assert len([axes for axes in upper.axes if axes.images]) == 16


def test_the_command_draws_it(project, tmp_path, capsys):
    out = tmp_path / 'batches.png'
    assert main(['figure', 'batches', str(project.lr_store), '--lr-window', '16', '-o', str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert out.read_bytes().startswith(b'\x89PNG')
