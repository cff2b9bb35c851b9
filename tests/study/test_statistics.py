"""Statistics against formulas written out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bsr_plugin.study.statistics import false_discovery_rates, figure, paired_difference

values = st.floats(20, 40, allow_nan=False)


def test_mean_and_sample_standard_deviation():
    assert figure([1.0, 2.0, 4.0]).mean == pytest.approx(7 / 3)
    assert figure([1.0, 2.0, 4.0]).std == pytest.approx(math.sqrt(((4 / 3) ** 2 + (1 / 3) ** 2 + (5 / 3) ** 2) / 2))
    assert figure([37.5]) == figure([37.5]).__class__(37.5, None, 1)
    assert figure([37.5, math.inf]) == figure([1.0]).__class__(None, None, 2)


def test_the_interval_of_a_textbook():
    # t of 2 degrees of freedom that leaves 2.5 % above it, from a table.
    found = paired_difference({1: 1.1, 2: 2.3, 3: 2.9}, {1: 1.0, 2: 2.0, 3: 3.0, 4: 9.0})
    differences = np.array([0.1, 0.3, -0.1])
    half = 4.302653 * np.sqrt(((differences - 0.1) ** 2).sum() / 2) / np.sqrt(3)
    assert found.n == 3
    assert found.mean == pytest.approx(0.1)
    assert (found.low, found.high) == pytest.approx((0.1 - half, 0.1 + half), rel=1e-6)


@given(st.lists(st.tuples(values, values), min_size=2, max_size=8))
def test_the_interval_is_the_mean_and_the_quantile_of_t_times_the_standard_error(pairs):
    own, reference = ({seed: pair[side] for seed, pair in enumerate(pairs)} for side in (0, 1))
    differences = np.array([a - b for a, b in pairs])
    found = paired_difference(own, reference)
    half = stats.t.ppf(0.975, len(pairs) - 1) * differences.std(ddof=1) / math.sqrt(len(pairs))
    assert found.mean == pytest.approx(differences.mean(), abs=1e-12)
    assert (found.low, found.high) == pytest.approx((found.mean - half, found.mean + half), abs=1e-9)
    if half > 1e-9:
        t = abs(differences.mean()) / (differences.std(ddof=1) / math.sqrt(len(pairs)))
        assert found.p == pytest.approx(2 * stats.t.sf(t, len(pairs) - 1), rel=1e-6)


def test_pairs_are_made_by_seed():
    found = paired_difference({3: 30.0, 1: 10.0, 2: 20.0}, {1: 9.0, 2: 19.0, 3: 29.0})
    assert (found.mean, found.low, found.high, found.p) == (1.0, 1.0, 1.0, 0.0)
    same = paired_difference({1: 1.0, 2: 2.0}, {1: 1.0, 2: 2.0})
    assert (same.mean, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)


def test_a_single_pair_has_no_interval_and_none_has_no_difference():
    single = paired_difference({1: 2.0, 5: 7.0}, {1: 1.5})
    assert (single.mean, single.low, single.high, single.n, single.p) == (0.5, None, None, 1, None)
    assert paired_difference({1: 2.0}, {2: 2.0}) is None
    infinite = paired_difference({1: math.inf, 2: 1.0}, {1: 1.0, 2: 1.0})
    assert (infinite.mean, infinite.low, infinite.n, infinite.p) == (None, None, 2, None)


def test_p_values_are_corrected_as_benjamini_and_hochberg_say():
    # Rank by rank p * tests / rank, no larger than that of the next rank: 0.01 * 4 / 1, 0.03 * 4 / 2 but no more than
    # 0.04 * 4 / 3, and 0.5 * 4 / 4.
    assert false_discovery_rates([0.04, None, 0.01, 0.5, 0.03]) == pytest.approx([0.16 / 3, None, 0.04, 0.5, 0.16 / 3])
    assert false_discovery_rates([None]) == [None]
    assert false_discovery_rates([]) == []
