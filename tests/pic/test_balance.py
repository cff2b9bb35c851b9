import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bsr_plugin.errors import InputError
from bsr_plugin.pic.balance import BalanceRule


@pytest.fixture(scope='module')
def index(indexed):
    """Shares of three images in windows of one pixel: in interval 0, 1, 2, 3 and the empty 4."""
    ramps = [[0] * 6 + [2] * 6, [0] * 3 + [5] * 9, list(range(0, 24, 2))]
    pixels = [np.repeat(np.cumsum(r).astype(np.uint8)[None, :, None], 3, axis=2).repeat(4, axis=0) for r in ramps]
    return indexed(pixels, 1, edges=(0, 1, 20, 60, 300, 400))


def mean_shares(index):
    """Probability of every interval under uniform drawing, from the codes of single windows."""
    shares = []
    for image in range(len(index.windows)):
        codes = index.intervals_at(np.full(index.windows[image], image), np.arange(index.windows[image]))
        shares.append([np.mean(codes == interval) for interval in range(index.bins)])
    return np.mean(shares, axis=0)


def test_probabilities_are_mean_shares_of_the_images(index):
    expected = mean_shares(index)
    assert (expected > 0).tolist() == [True, True, True, True, False]
    assert index.probabilities == pytest.approx(expected, rel=1e-12)


@given(st.floats(0, 1))
def test_strength_is_an_exponent(index, t):
    pi = mean_shares(index)
    found = BalanceRule(t, t).of(index).probabilities(17)
    assert found.sum() == pytest.approx(1)
    if t == 1:
        assert found.tolist() == [0.2] * 5  # 0^0 is 1: the empty interval keeps its place
    else:
        assert found[4] == 0
        assert found[1:4] / found[0] == pytest.approx((pi[1:4] / pi[0]) ** (1 - t), rel=1e-9)


def test_both_ends(index):
    assert BalanceRule(0.0, 0.0).of(index).probabilities(3) == pytest.approx(mean_shares(index))
    assert BalanceRule().of(index).probabilities(3).tolist() == [0.2] * 5


def test_annealing_is_linear_between_two_iterations_and_constant_outside(index):
    rule = BalanceRule.from_option({'from': 0.2, 'to': 0.8, 'between': [100, 400]})
    balance = rule.of(index)
    for batch_index, t in ((0, 0.2), (100, 0.2), (150, 0.3), (250, 0.5), (399, 0.798), (400, 0.8), (10**9, 0.8)):
        assert rule.strength(batch_index) == pytest.approx(t, abs=1e-12)
        powers = mean_shares(index)[:4] ** (1 - t)
        assert balance.probabilities(batch_index)[:4] == pytest.approx(powers / powers.sum(), rel=1e-9)
    # A pure function of the batch_index: the order of questions plays no part.
    assert balance.probabilities(150).tolist() == rule.of(index).probabilities(150).tolist()


def test_the_option():
    assert BalanceRule.from_option(1) == BalanceRule()
    assert BalanceRule.from_option(0.25).strength(7) == 0.25
    down = BalanceRule.from_option({'from': 1, 'to': 0.0, 'between': [0, 2e4]})
    assert [down.strength(at) for at in (0, 5000, 20000)] == [1, 0.75, 0]


@pytest.mark.parametrize(
    ('option', 'sentence'),
    [
        (1.5, r'pic_balance is 1\.5: use a number from 0 \(uniform\) to 1 \(rfs\)\.'),
        (-0.1, r'pic_balance is -0\.1: use a number from 0'),
        (float('nan'), 'pic_balance is nan'),
        ('strong', 'pic_balance is strong: use a number'),
        (True, 'pic_balance is True: use a number'),
        ({'from': 0, 'to': 2, 'between': [0, 9]}, 'pic_balance is 2: use a number from 0'),
        ({'from': 0, 'to': 1}, 'pic_balance has from, to: give a number, or from, to and between'),
        ({'from': 0, 'to': 1, 'betwen': [0, 9]}, 'pic_balance has from, to, betwen'),
        ({'from': 0, 'to': 1, 'between': 9}, 'pic_balance is between 9: give two iterations'),
        ({'from': 0, 'to': 1, 'between': [0, 1, 2]}, r'pic_balance is between \[0, 1, 2\]: give two iterations'),
        ({'from': 0, 'to': 1, 'between': [9, 9]}, r'pic_balance is between \[9, 9\]: give two iterations'),
        ({'from': 0, 'to': 1, 'between': [-1, 9]}, r'pic_balance is between \[-1, 9\]'),
        ({'from': 0, 'to': 1, 'between': [0, 9.5]}, r'pic_balance is between \[0, 9\.5\]'),
        ({'from': 0, 'to': 1, 'between': ['0', 9]}, r"pic_balance is between \['0', 9\]"),
    ],
)
def test_bad_options(option, sentence):
    with pytest.raises(InputError, match=sentence):
        BalanceRule.from_option(option)


def test_a_long_schedule_rises_in_a_thousand_steps():
    rule = BalanceRule(0.2, 0.7, (100, 50_149))  # steps of 50 batches, and one of 49
    batch_indices = np.arange(0, 50_300)
    strengths = np.array([rule.strength(int(at)) for at in batch_indices])
    line = 0.2 + 0.5 * np.clip((batch_indices - 100) / 50_049, 0, 1)
    assert (strengths[:150] == 0.2).all()
    assert strengths[150] == pytest.approx(0.2 + 0.5 * 50 / 50_049, abs=1e-12)
    assert (strengths[50_149:] == 0.7).all()
    assert np.unique(strengths).size == 1002
    assert (line - strengths).min() >= 0
    assert (line - strengths).max() < 0.5 / 1000
