"""When a curve reaches a target, the mean of curves, and the time of an iteration."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bsr_plugin.evaluation.training_log import Record
from bsr_plugin.study.learning_curves import iterations_to_reach, mean_curve, mean_over_sets, seconds_per_iteration


def test_straight_lines_between_validations():
    curve = {100: 30.0, 200: 32.0, 300: 31.0, 400: 33.0}
    assert iterations_to_reach(curve, 30.5) == 125
    assert iterations_to_reach(curve, 32.0) == 200
    assert iterations_to_reach(curve, 32.5) == 375
    assert iterations_to_reach(curve, 33.0) == 400


def test_never_is_an_answer_and_the_first_validation_another():
    assert iterations_to_reach({100: 30.0, 200: 32.0}, 32.1) is None
    assert iterations_to_reach({}, 1.0) is None
    assert iterations_to_reach({100: 30.0, 200: 32.0}, 29.0) == 100


def test_no_straight_line_leads_to_infinity():
    curve = {100: 30.0, 200: math.inf, 300: math.inf}
    assert iterations_to_reach(curve, 31.0) == 200
    assert iterations_to_reach(curve, math.inf) == 200
    assert iterations_to_reach({100: 30.0, 200: 32.0}, math.inf) is None


@given(st.lists(st.floats(20, 40), min_size=2, max_size=12, unique=True), st.floats(0, 1))
def test_a_rising_curve_is_read_as_numpy_reads_it(levels, share):
    levels = sorted(levels)
    iterations = np.arange(1, len(levels) + 1) * 100
    target = levels[0] + share * (levels[-1] - levels[0])
    found = iterations_to_reach(dict(zip(iterations.tolist(), levels, strict=True)), target)
    assert found == pytest.approx(np.interp(target, levels, iterations), abs=1e-6)


def test_the_mean_of_curves_says_of_how_many_it_is():
    curve = mean_curve([{10: 1.0, 20: 2.0}, {10: 3.0, 20: 6.0, 30: 7.0}])
    assert (curve.iterations, curve.mean, curve.n) == ([10, 20, 30], [2.0, 4.0, 7.0], [2, 2, 1])
    assert curve.std == [pytest.approx(2**0.5), pytest.approx(8**0.5), None]


def test_the_mean_over_sets_needs_all_of_them():
    assert mean_over_sets([{10: 1.0, 20: 2.0}, {10: 3.0}]) == {10: 2.0}
    assert mean_over_sets([]) == {}


def test_pauses_restarts_and_repeated_iterations_do_not_move_the_pace():
    steps = [*range(10, 110, 10), *range(60, 160, 10)]
    times, now = [], 1000.0
    for number, step in enumerate(steps):
        # Ten iterations in 2 s; an hour's pause before the restart, half a minute for a validation.
        now += 3600 if number == 10 else 30 if step % 50 == 0 else 2
        times.append(now)
    records = [Record(step, 0.1, time) for step, time in zip(steps, times, strict=True)]
    assert seconds_per_iteration(records) == pytest.approx(0.2)
    assert seconds_per_iteration(records[:1]) is None
