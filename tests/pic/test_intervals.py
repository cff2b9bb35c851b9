import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bsr_plugin.errors import InputError
from bsr_plugin.pic.index import IndexKey
from bsr_plugin.pic.intervals import IntervalRule, interval_of, thresholds

HISTOGRAMS = st.lists(st.integers(0, 5), min_size=1, max_size=60).filter(any)


def sums_of(histogram):
    return [value for value, count in enumerate(histogram) for _ in range(count)]


@given(HISTOGRAMS, st.integers(1, 256), st.integers(1, 64))
def test_quantile_is_the_smallest_sum_that_enough_windows_do_not_exceed(histogram, bins, sixty_fourths):
    sums, share = sums_of(histogram), Fraction(sixty_fourths, 64)
    enough = [value for value in sums if Fraction(sum(other <= value for other in sums), len(sums)) >= share]
    edges = IntervalRule(bins, sixty_fourths / 64).edges_for(np.array(histogram), pixels=9)
    assert len(edges) == bins + 1
    assert edges[0] == 0
    assert edges[-1] == pytest.approx(min(enough) / 9 if min(enough) else 1.0, rel=1e-15)
    assert np.diff(edges) == pytest.approx(edges[-1] / bins, rel=1e-9)


def test_default_leaves_one_window_in_a_thousand_above():
    histogram = np.zeros(5000, np.int64)
    histogram[:2000] = 1
    assert IntervalRule().edges_for(histogram, 4)[-1] == 1997 / 4
    assert IntervalRule(quantile=1).edges_for(histogram, 4)[-1] == 1999 / 4
    assert IntervalRule().bins == 16


@given(HISTOGRAMS, st.integers(1, 256), st.integers(1, 12))
def test_thresholds_are_those_of_rational_arithmetic(histogram, bins, window):
    top, pixels = max(sums_of(histogram)), window**2
    inner = thresholds(IntervalRule(bins, 1.0).edges_for(np.array(histogram), pixels), pixels)
    # Without rounding the edges in sums are top * k / bins, or pixels * k / bins for flat images.
    width = Fraction(top or pixels, bins)
    assert inner.tolist() == [math.ceil(width * k) for k in range(1, bins)]


@given(st.lists(st.fractions(Fraction(1, 1000), 2040, max_denominator=1000), min_size=1, max_size=12), st.data())
def test_windows_lie_where_rational_arithmetic_puts_them(inner, data):
    inner = sorted(set(inner))
    pixels = data.draw(st.integers(1, 4096))
    levels = [Fraction(0), *inner]
    numbers = thresholds([float(level) for level in [*levels, levels[-1] + 1]], pixels)
    around = {max(0, int(edge * pixels) + step) for edge in levels for step in (-1, 0, 1)}
    sums = sorted(around | {0, 2040 * pixels})
    expected = [max(k for k, edge in enumerate(levels) if Fraction(total, pixels) >= edge) for total in sums]
    assert interval_of(np.array(sums), numbers).tolist() == expected


def test_last_interval_is_open_above_and_edges_belong_to_the_upper_interval():
    inner = thresholds([0, 1, 2.5, 4], 4)
    assert inner.tolist() == [4, 10]
    assert interval_of(np.array([0, 3, 4, 9, 10, 16, 17, 10**6]), inner).tolist() == [0, 0, 1, 1, 2, 2, 2, 2]


def test_a_single_interval_holds_everything():
    inner = thresholds(IntervalRule(1).edges_for(np.array([1, 2, 3]), 1), 1)
    assert interval_of(np.array([0, 1, 10**6]), inner).tolist() == [0, 0, 0]


@given(st.integers(1, 256))
def test_flat_data_sets_span_one_grey_level(bins):
    edges = IntervalRule(bins).edges_for(np.array([7]), 16)
    assert edges.tolist() == pytest.approx([k / bins for k in range(bins + 1)])


def test_explicit_edges_are_taken_as_they_are():
    rule = IntervalRule(bins=999, quantile=7, edges=(0, 2, 5.5, 40))
    assert rule.bins == 3
    assert rule.edges_for(np.zeros(1, np.int64), 9).tolist() == [0, 2, 5.5, 40]


@pytest.mark.parametrize(
    ('rule', 'same'),
    [
        ({'edges': (0, 2, 5.5)}, {'edges': (0.0, 2.0, 5.5), 'bins': 9, 'quantile': 0.5, 'spacing': 'quantile'}),
        ({'spacing': 'quantile', 'bins': 9}, {'spacing': 'quantile', 'bins': 9, 'quantile': 0.5}),
    ],
)
def test_what_intervals_do_not_depend_on_has_no_part_in_their_key(rule, same):
    keys = [IndexKey(12, 'max', IntervalRule(**each), '').as_header() for each in (rule, same)]
    assert json.dumps(keys[0]) == json.dumps(keys[1])
    assert IntervalRule(bins=9) != IntervalRule(bins=9, quantile=0.5)


def test_256_intervals_fit_a_byte():
    inner = thresholds(np.arange(257.0), 1)
    intervals = interval_of(np.arange(300), inner)
    assert intervals.dtype == np.uint8
    assert intervals.tolist() == [min(value, 255) for value in range(300)]


@given(HISTOGRAMS, st.integers(1, 256), st.integers(1, 12))
def test_intervals_of_equal_shares(histogram, bins, window):
    sums, pixels = np.array(sums_of(histogram)), window**2
    edges = IntervalRule(bins, spacing='quantile').edges_for(np.array(histogram), pixels)
    inner = thresholds(edges, pixels)
    counts = np.bincount(interval_of(sums, inner), minlength=len(edges) - 1)
    assert edges[0] == 0
    assert (np.diff(edges) > 0).all()
    assert edges[-1] * pixels == pytest.approx(max(sums) + 1)
    # No interval is empty, none is split that could be, and there are no more than were asked for.
    assert counts.min() > 0
    assert len(counts) <= bins
    # Every edge is the possible one nearest to a multiple of a p-th of the windows, and every such multiple has one.
    possible = sorted({int((sums < value).sum()) for value in set(sums.tolist())} | {len(sums)})
    below = np.cumsum(counts)[:-1].tolist()
    nearest = {
        min(possible, key=lambda number: (abs(number * bins - k * len(sums)), number)) for k in range(1, bins)
    } - {0, len(sums)}
    assert below == sorted(nearest)


def test_equal_shares_without_ties_are_equal():
    histogram = np.zeros(3000, np.int64)
    histogram[::3] = 1
    edges = IntervalRule(8, spacing='quantile').edges_for(histogram, 4)
    assert np.bincount(interval_of(np.arange(0, 3000, 3), thresholds(edges, 4))).tolist() == [125] * 8


def test_equal_shares_of_one_value_are_one_interval():
    assert IntervalRule(16, spacing='quantile').edges_for(np.array([0, 0, 9]), 4).tolist() == [0, 0.75]
    # Nine tenths have one value: they stay together, and the rest is divided.
    edges = IntervalRule(4, spacing='quantile').edges_for(np.array([90, 0, 5, 5]), 1)
    assert thresholds(edges, 1).tolist() == [1]


@given(HISTOGRAMS, st.integers(1, 64), st.sampled_from(['width', 'quantile']), st.integers(1, 5))
def test_sums_counted_together_give_the_edges_to_within_that(histogram, bins, spacing, step):
    rule = IntervalRule(bins, 1.0, spacing=spacing)
    coarse = np.add.reduceat(histogram, np.arange(0, len(histogram), step))
    fine, found = (rule.edges_for(np.array(h), 9, s) for h, s in ((histogram, 1), (coarse, step)))
    if spacing == 'width' and not any(coarse[1:]):
        assert found[-1] == 1
    else:  # never below the largest sum, and less than a step above it
        assert 0 <= found[-1] - fine[-1] < step / 9
    if spacing == 'quantile':
        assert np.rint(found * 9 / step) == pytest.approx(found * 9 / step, abs=1e-9)


@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        ({'bins': 0}, r'pic_bins is 0: use 1 to 256 intervals\.'),
        ({'bins': 257}, r'pic_bins is 257: use 1 to 256 intervals\.'),
        ({'quantile': 0}, r'pic_quantile is 0: use a number above 0 and up to 1\.'),
        ({'quantile': 1.01}, r'pic_quantile is 1\.01: use a number above 0 and up to 1\.'),
        ({'quantile': math.nan}, r'pic_quantile is nan: use a number above 0 and up to 1\.'),
        ({'spacing': 'log'}, r"pic_spacing is 'log': use width or quantile\."),
        ({'edges': (0,)}, r'pic_edges has 1 numbers: give 0, k_1, \.\.\., k_p with p from 1 to 256\.'),
        ({'edges': tuple(range(258))}, r'pic_edges has 258 numbers'),
        ({'edges': (1, 2)}, r'pic_edges is \[1, 2\]: the edges must start at 0 and increase\.'),
        ({'edges': (0, 3, 3)}, r'pic_edges is \[0, 3, 3\]: the edges must start at 0 and increase\.'),
        ({'edges': (0, 3, 2)}, r'pic_edges is \[0, 3, 2\]'),
        ({'edges': (0, math.nan, 2)}, r'pic_edges is \[0, nan, 2\]: the edges must start at 0 and increase\.'),
    ],
)
def test_bad_values_get_a_sentence(arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        IntervalRule(**arguments)
