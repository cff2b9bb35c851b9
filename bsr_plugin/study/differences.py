"""Differences between two variants of a study, over the seeds that both have."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic.dataclasses import dataclass

from bsr_plugin.study.record import RunRecord
from bsr_plugin.study.statistics import paired_difference


@dataclass(frozen=True)
class Difference:
    """A variant's difference from the reference, over the seeds that both have.

    Attributes:
        variant: The variant.
        reference: What it is compared with.
        set: The validation set, or ``mean of all sets``.
        metric: The metric.
        mean: Mean of the differences; ``None`` where a figure is not finite.
        low: Lower end of the 95 % confidence interval; ``None`` for a single pair.
        high: Upper end.
        n: Number of pairs.
        p: Two-sided p-value of the paired t-test; ``None`` where there is no interval.
    """

    variant: str
    reference: str
    set: str
    metric: str
    mean: float | None
    low: float | None
    high: float | None
    n: int
    p: float | None = None


def differences(variant: str, reference: str, runs: Mapping[str, Sequence[RunRecord]]) -> Iterator[Difference]:
    """The differences on every set and in every metric; none where no seed of both is done.

    Args:
        variant: The variant.
        reference: What it is compared with.
        runs: Variant -> its runs that are done.
    """
    own, other = runs[variant], runs[reference]
    for name, metrics in own[0].means.items() if own and other else ():
        for metric in metrics:
            both = ({run.seed: run.means[name][metric] for run in each} for each in (own, other))
            if found := paired_difference(*both):
                yield Difference(variant, reference, name, metric, found.mean, found.low, found.high, found.n, found.p)
