"""Claims that one variant is better than another, and whether a study finds them to hold."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic.dataclasses import dataclass

from bsr_plugin.evaluation.results import kind_of
from bsr_plugin.study.definition import Comparison
from bsr_plugin.study.differences import Difference, differences
from bsr_plugin.study.record import ALL_SETS, RunRecord


@dataclass(frozen=True)
class Claim:
    """A comparison of the study file, and what the study found.

    Attributes:
        says: The claim.
        better: The variant that it says is better.
        than: The variant that it is compared with.
        verdict: Whether it holds, in one sentence: by the study's first PSNR on the mean of all sets.
        differences: ``better`` minus ``than`` on every set and in every metric.
    """

    says: str
    better: str
    than: str
    verdict: str
    differences: list[Difference]


def claim(
    comparison: Comparison, runs: Mapping[str, Sequence[RunRecord]], metrics: Mapping[str, Mapping[str, Any]]
) -> Claim:
    """What the runs that are done say of a claim.

    Args:
        comparison: The claim.
        runs: Variant -> its runs that are done.
        metrics: Name of a metric -> its section of the option file.
    """
    found = list(differences(comparison.better, comparison.than, runs))
    return Claim(comparison.says, comparison.better, comparison.than, verdict(decisive(found, metrics)), found)


def decisive(found: Sequence[Difference], metrics: Mapping[str, Mapping[str, Any]]) -> Difference | None:
    """The difference that decides: in the main metric, on the mean of all sets, or on the only one."""
    of_metric = [each for each in found if each.metric == main_metric(metrics)]
    return next((each for each in of_metric if each.set == ALL_SETS), of_metric[0] if of_metric else None)


def main_metric(metrics: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The metric that decides: the first PSNR, that of the Y channel if there is one; ``None`` if there is no PSNR."""
    kinds = {metric: kind_of(options) for metric, options in metrics.items()}
    return next((name for kind in ('psnr_y', 'psnr_rgb') for name in kinds if kinds[name] == kind), None)


def verdict(difference: Difference | None) -> str:
    """Whether a claim holds: a confidence interval above zero, below it, or around it.

    Args:
        difference: In dB; ``None`` where nothing has been measured.
    """
    if difference is None:
        return 'not measured'
    if difference.mean is None:
        return 'cannot be told: a figure is not finite'
    figures = f'{difference.mean:+.3f}'
    seeds = f'({difference.n} seed{"" if difference.n == 1 else "s"})'
    if difference.low is None or difference.high is None:
        return f'cannot be told apart: {figures} dB {seeds}'
    figures += f' [{difference.low:+.3f}, {difference.high:+.3f}] dB {seeds}'
    if difference.low > 0:
        return f'holds here by {figures}'
    return f'does not hold here: {figures}' if difference.high < 0 else f'cannot be told apart: {figures}'
