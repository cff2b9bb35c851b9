"""What runs of equal seconds have reached at each quarter of them."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic.dataclasses import dataclass

from bsr_plugin.study.budget import QUARTERS
from bsr_plugin.study.planning import Plan
from bsr_plugin.study.record import RunRecord
from bsr_plugin.study.statistics import Figure, PairedDifference, figure, paired_difference


@dataclass(frozen=True)
class Quarter:
    """The figures of a variant at a quarter of the seconds.

    Attributes:
        variant: The variant.
        set: The validation set, or ``mean of all sets``.
        metric: The metric.
        quarter: 1 to 4.
        figure: Its figure over the seeds, with a float32's precision.
        difference: Its difference from the reference; ``None`` for the reference and where no seed of both is done.
    """

    variant: str
    set: str
    metric: str
    quarter: int
    figure: Figure
    difference: PairedDifference | None


@dataclass(frozen=True)
class Budget:
    """Equal seconds for all runs.

    Attributes:
        seconds: Seconds of training.
        rates: Variant -> iterations per second, measured before the runs.
        iterations: Variant -> iterations that fit.
        quarters: The figures at each quarter of the seconds.
    """

    seconds: float
    rates: dict[str, float]
    iterations: dict[str, int]
    quarters: list[Quarter]


def budget(plan: Plan, runs: Mapping[str, Sequence[RunRecord]]) -> Budget | None:
    """What a study of equal seconds has beyond others; ``None`` for another study.

    Args:
        plan: The study, its runs within their seconds.
        runs: Variant -> its runs that are done.
    """
    if plan.seconds is None:
        return None
    iterations = {cell.variant: cell.iterations for cell in plan.cells}
    return Budget(plan.seconds, dict(plan.rates), iterations, list(_quarters(plan, iterations, runs)))


def _quarters(plan: Plan, iterations: Mapping[str, int], runs: Mapping[str, Sequence[RunRecord]]) -> Iterator[Quarter]:
    for variant in plan.variants:
        for name, metrics in (runs[variant][0].curves if runs[variant] else {}).items():
            for metric in metrics:
                for number in range(1, QUARTERS + 1):
                    own, other = (
                        _at(runs[each], name, metric, iterations[each] * number // QUARTERS)
                        for each in (variant, plan.reference)
                    )
                    compared = paired_difference(own, other) if variant != plan.reference else None
                    if own:
                        yield Quarter(variant, name, metric, number, figure(list(own.values())), compared)


def _at(runs: Sequence[RunRecord], name: str, metric: str, iteration: int) -> dict[int, float]:
    """Seed -> figure of the validation at an iteration."""
    curves = {run.seed: run.curves[name][metric] for run in runs}
    return {seed: curve[iteration] for seed, curve in curves.items() if iteration in curve}
