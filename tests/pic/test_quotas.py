"""Cumulative rounding: whole numbers for every batch, and exactly the probabilities in the long run."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bsr_plugin.pic.dist_info import DistInfo
from bsr_plugin.pic.quotas import golden_fraction, quotas

WEIGHTS = st.lists(st.integers(0, 50), min_size=1, max_size=40).filter(any)


@given(st.integers(1, 300), st.integers(1, 256), st.integers(0, 10**12))
def test_equal_quotas_are_exactly_equal_over_p_batches(batch_size, bins, batch_index):
    equal = np.full(bins, 1 / bins)
    room = quotas(equal, batch_size, batch_index)
    assert room.shape == (bins,)
    assert room.sum() == batch_size
    assert room.max() - room.min() <= 1
    served = sum(quotas(equal, batch_size, batch_index + batch) for batch in range(bins))
    assert served.tolist() == [batch_size] * bins


@given(WEIGHTS, st.integers(1, 300), st.integers(0, 10**12))
def test_any_quotas_sum_to_the_batch_and_are_within_one(weights, batch_size, batch_index):
    room = quotas(np.array(weights) / sum(weights), batch_size, batch_index)
    assert room.sum() == batch_size
    assert room.min() >= 0
    for number, weight in zip(room.tolist(), weights, strict=True):
        assert abs(number - Fraction(batch_size * weight, sum(weights))) < 1 + Fraction(1, 10**5)


@given(WEIGHTS, st.integers(1, 40), st.integers(1, 12), st.integers(0, 10**9))
def test_those_of_all_ranks_add_up_to_those_of_the_joint_batch(weights, batch_size, ranks, batch_index):
    probabilities = np.array(weights) / sum(weights)
    of_ranks = [quotas(probabilities, batch_size, batch_index, DistInfo(rank, ranks)) for rank in range(ranks)]
    assert [room.sum() for room in of_ranks] == [batch_size] * ranks
    for room in of_ranks:
        assert np.abs(room - batch_size * probabilities).max() < 1 + 1e-5
    assert sum(of_ranks).tolist() == quotas(probabilities, batch_size * ranks, batch_index).tolist()


@given(st.integers(1, 40), st.integers(1, 8), st.integers(1, 32), st.integers(0, 10**6))
def test_over_p_batches_of_every_part_a_rank_serves_all_intervals_alike(batch_size, ranks, bins, round_number):
    equal, rank = np.full(bins, 1 / bins), DistInfo(round_number % ranks, ranks)
    batch_indices = range(round_number * bins, (round_number + ranks) * bins)
    served = sum(quotas(equal, batch_size, batch_index, rank) for batch_index in batch_indices)
    assert served.tolist() == [batch_size * ranks] * bins


@given(WEIGHTS, st.integers(1, 60), st.integers(0, 10**9), st.data())
def test_they_are_those_of_rational_arithmetic(weights, batch_size, batch_index, data):
    # A factor common to all probabilities changes nothing, even where it is one that rounds.
    factor = data.draw(st.sampled_from([1.0, 0.1, 1 / 3, 1e-9, 7e5]))
    bins, total = len(weights), sum(weights)
    phase = (batch_index % bins + Fraction(golden_fraction(batch_index // bins))) / bins
    ends = [Fraction(batch_size * sum(weights[:k]), total) for k in range(bins + 1)]
    expected = [int(end + phase) for end in ends]
    # What lies between 0 and a millionth above a multiple of 1/p is taken for that multiple.
    room = quotas(np.array(weights) * factor, batch_size, batch_index)
    assert room.tolist() == [high - low for low, high in pairwise(expected)]


@given(st.integers(1, 256), st.integers(1, 300), st.integers(0, 300))
def test_a_multiple_of_a_pth_never_falls_below_itself(bins, batch_size, batch_index):
    equal = np.array([1.0] * bins) / (bins * 1.0000000000000002)
    turn = batch_index % bins
    expected = [(batch_size * k + turn) // bins for k in range(bins + 1)]
    assert quotas(equal, batch_size, batch_index).tolist() == np.diff(expected).tolist()


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.integers(1, 48), st.integers(1, 64), st.integers(0, 10**6))
def test_any_quotas_converge_at_the_rate_of_one_over_the_batches(seed, bins, batch_size, start):
    probabilities = np.random.default_rng(seed).dirichlet(np.full(bins, 0.3))
    start -= start % bins
    error = np.cumsum(
        [quotas(probabilities, batch_size, start + batch) - batch_size * probabilities for batch in range(1500)], axis=0
    )
    # Random rounding would be off by up to 4 * sqrt(1500 / 4) = 77 for any number of intervals.
    assert np.abs(error).max() < bins / 2 + 8
    # At the end of a round there is nothing left of the turns of p batches.
    assert np.abs(error[bins - 1 :: bins]).max() < 8


def test_probability_zero_gets_nothing_and_probability_one_everything():
    for batch_index in range(50):
        assert quotas(np.array([0, 0.25, 0, 0.75, 0]), 4, batch_index).tolist() == [0, 1, 0, 3, 0]
        assert quotas(np.array([0.0, 1.0]), 7, batch_index).tolist() == [0, 7]


def test_golden_fractions_are_spread_evenly_however_far_the_run():
    for start in (0, 10**6, 10**15):
        found = np.sort([golden_fraction(start + k) for k in range(1000)])
        assert found.max() < 1
        gaps = np.diff([*found, found[0] + 1])
        # Three distances at most, of which the largest is 2.618 times the smallest (three-gap theorem).
        assert gaps.max() / gaps.min() == pytest.approx(2.618, abs=0.01)
    assert golden_fraction(1) == pytest.approx((5**0.5 - 1) / 2, abs=1e-15)
    assert golden_fraction(3) == pytest.approx(3 * (5**0.5 - 1) / 2 % 1, abs=1e-15)
