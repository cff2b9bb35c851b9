"""Means, standard deviations, and paired differences with confidence intervals and corrected p-values."""

import math
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from pydantic.dataclasses import dataclass
from scipy import stats

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Figure:
    """A figure over several runs.

    Attributes:
        mean: Its mean; ``None`` where a value is not finite.
        std: Its sample standard deviation (divided by n - 1); ``None`` for a single run.
        n: Number of runs.
    """

    mean: float | None
    std: float | None
    n: int


@dataclass(frozen=True)
class PairedDifference:
    """A difference between runs of the same seeds.

    Attributes:
        mean: Mean of the differences; ``None`` where a value is not finite.
        low: Lower end of the 95 % confidence interval of the mean; ``None`` for a single pair, which has none.
        high: Upper end.
        n: Number of pairs.
        p: Two-sided p-value that the mean is zero; ``None`` where there is no interval.
    """

    mean: float | None
    low: float | None
    high: float | None
    n: int
    p: float | None = None


def figure(values: Sequence[float]) -> Figure:
    """Mean and sample standard deviation; at least one value."""
    if not np.isfinite(values).all():
        return Figure(None, None, len(values))
    return Figure(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None, len(values))


def paired_difference(values: Mapping[int, float], reference: Mapping[int, float]) -> PairedDifference | None:
    """Values minus those of a reference, seed by seed, with the interval of Student's t for paired samples.

    Args:
        values: Seed -> value.
        reference: The same of the reference.

    Returns:
        ``None`` where the two have no seed in common.
    """
    seeds = [seed for seed in values if seed in reference]
    if not seeds:
        return None
    own, other = (np.array([each[seed] for seed in seeds]) for each in (values, reference))
    if not np.isfinite([own, other]).all():
        return PairedDifference(None, None, None, len(seeds))
    mean = float(np.mean(own - other))
    if len(seeds) == 1:
        return PairedDifference(mean, None, None, 1)
    with warnings.catch_warnings():
        # Of differences that are all alike, which are told as such below.
        warnings.simplefilter('ignore', RuntimeWarning)
        test = stats.ttest_rel(own, other)
        interval = test.confidence_interval(CONFIDENCE)
    low, high = (mean if math.isnan(end) else float(end) for end in interval)
    return PairedDifference(mean, low, high, len(seeds), 1.0 if math.isnan(test.pvalue) else float(test.pvalue))


def false_discovery_rates(p_values: Sequence[float | None]) -> list[float | None]:
    """p-values corrected for their number by Benjamini and Hochberg's procedure.

    Of all that are at most 0.05, one in twenty at most is expected to be found by chance.

    Args:
        p_values: ``None`` for a test that was not made, which does not count.
    """
    made = [index for index, p in enumerate(p_values) if p is not None]
    corrected = stats.false_discovery_control([p for p in p_values if p is not None]) if made else []
    found = dict(zip(made, map(float, corrected), strict=True))
    return [found.get(index) for index in range(len(p_values))]
