"""Claims, and the sentence that tells whether they hold."""

import statistics
from types import SimpleNamespace

import pytest
from scipy.stats import t

from bsr_plugin.study.claims import claim, verdict
from bsr_plugin.study.definition import Comparison
from bsr_plugin.study.differences import Difference
from bsr_plugin.study.record import ALL_SETS

PSNR = {'type': 'calculate_psnr', 'crop_border': 2, 'test_y_channel': True}
METRICS = {'ssim': {'type': 'calculate_ssim', 'crop_border': 2, 'test_y_channel': True}, 'psnr': PSNR}


def runs(*values, names=('Set5', 'Set14')):
    """Runs of the seeds 1, 2, ...: a PSNR on the first set, one that is 4 dB lower on the second."""
    found = []
    for seed, value in enumerate(values, 1):
        means = {name: {'ssim': 0.9, 'psnr': value - 4 * number} for number, name in enumerate(names)}
        if len(names) > 1:
            means[ALL_SETS] = {'ssim': 0.9, 'psnr': value - 2}
        found.append(SimpleNamespace(seed=seed, means=means))
    return found


def found(better, than, **settings):
    comparison = Comparison(says='It pays.', better='better', than='than')
    return claim(comparison, {'better': runs(*better, **settings), 'than': runs(*than, **settings)}, METRICS)


@pytest.mark.parametrize(
    ('differences', 'words'),
    [
        ((0.05, 0.06, 0.07), 'holds here by'),
        ((-0.05, -0.06, -0.07), 'does not hold here:'),
        ((0.05, -0.04, 0.06), 'cannot be told apart:'),
    ],
)
def test_the_interval_of_the_mean_of_all_sets_decides(differences, words):
    got = found([37 + each for each in differences], [37.0, 37.0, 37.0])
    mean = statistics.mean(differences)
    half = t.ppf(0.975, 2) * statistics.stdev(differences) / 3**0.5
    assert got.verdict == f'{words} {mean:+.3f} [{mean - half:+.3f}, {mean + half:+.3f}] dB (3 seeds)'
    assert [(each.set, each.metric) for each in got.differences] == [
        (name, metric) for name in ('Set5', 'Set14', ALL_SETS) for metric in ('ssim', 'psnr')
    ]
    assert {(each.variant, each.reference, each.n) for each in got.differences} == {('better', 'than', 3)}


def test_one_seed_tells_nothing_and_none_has_not_been_measured():
    assert found([37.5], [37.0]).verdict == 'cannot be told apart: +0.500 dB (1 seed)'
    assert found([37.5], []).verdict == 'not measured'
    assert found([37.1, 37.2], [37.0, 37.1], names=['Set5']).verdict.startswith('holds here by +0.100 [+0.100, ')
    assert found([float('inf')], [37.0]).verdict == 'cannot be told: a figure is not finite'


def test_variants_that_do_not_differ_cannot_be_told_apart():
    same = Difference('a', 'b', 'Set5', 'psnr', 0.0, 0.0, 0.0, 3)
    assert verdict(same) == 'cannot be told apart: +0.000 [+0.000, +0.000] dB (3 seeds)'
