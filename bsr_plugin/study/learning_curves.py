"""Learning curves: their mean over seeds, when they reach a target, and how long an iteration took."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import median

from pydantic.dataclasses import dataclass

from bsr_plugin.evaluation.training_log import Record
from bsr_plugin.study.statistics import figure

#: Iteration -> figure, in order.
Curve = Mapping[int, float]


@dataclass(frozen=True)
class MeanCurve:
    """A learning curve over several runs.

    Attributes:
        iterations: Iterations of the validations, increasing.
        mean: Mean over the runs at each; ``None`` where a figure is not finite.
        std: Sample standard deviation; ``None`` for a single run.
        n: Number of runs.
    """

    iterations: list[int]
    mean: list[float | None]
    std: list[float | None]
    n: list[int]


def mean_curve(curves: Sequence[Curve]) -> MeanCurve:
    """Mean and standard deviation at every iteration that a curve has."""
    iterations = sorted({iteration for curve in curves for iteration in curve})
    figures = [figure([curve[iteration] for curve in curves if iteration in curve]) for iteration in iterations]
    return MeanCurve(
        iterations, [each.mean for each in figures], [each.std for each in figures], [each.n for each in figures]
    )


def mean_over_sets(curves: Sequence[Curve]) -> dict[int, float]:
    """The mean of several curves of one run, at the iterations that all of them have."""
    return {
        iteration: sum(curve[iteration] for curve in curves) / len(curves)
        for iteration in (curves[0] if curves else ())
        if all(iteration in curve for curve in curves)
    }


def iterations_to_reach(curve: Curve, target: float) -> float | None:
    """When a curve first reaches a target, with straight lines between the validations.

    Args:
        curve: Before its first validation nothing is known of it: if that reaches the target, it is the answer.
        target: The figure to reach.

    Returns:
        Iterations; ``None`` for never.
    """
    before: tuple[int, float] | None = None
    for iteration, value in sorted(curve.items()):
        if value >= target:
            # No straight line leads to an image without any error.
            if before is None or not math.isfinite(value - before[1]):
                return float(iteration)
            begin, start = before
            return begin + (iteration - begin) * (target - start) / (value - start)
        before = iteration, value
    return None


def seconds_per_iteration(records: Sequence[Record]) -> float | None:
    """The time that an iteration took, from the times of log lines.

    The median over the stretches between neighbouring lines: pauses, restarts and validations, which fall into few of
    them, do not move it.

    Args:
        records: In the order in which they were written; a resumed run may repeat iterations.

    Returns:
        ``None`` where there are not two lines in a row.
    """
    stretches = [
        (after.time - before.time) / (after.iteration - before.iteration)
        for before, after in pairwise(records)
        if after.iteration > before.iteration
    ]
    return median(stretches) if stretches else None
