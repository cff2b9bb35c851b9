"""The intervals K of random filter sampling: where one ends and the next begins (paper, section III-B, Fig. 1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from bsr_plugin.errors import InputError, is_whole

MAX_BINS = 256

Spacing = Literal['width', 'quantile']


@dataclass(frozen=True)
class IntervalRule:
    """How the p intervals are chosen.

    What a rule does not use is set to one value: rules that choose the same intervals are equal.

    Attributes:
        bins: Number of intervals p, 1 to 256; that of ``edges`` when they are given.
        quantile: Intervals of equal width span [0, q], q being this quantile of all window PICs; 1.0 spans the full
            range. Intervals of equal shares span it always.
        edges: Explicit edges ``(0, k_1, ..., k_p)`` in grey levels (mean gradient), increasing, or ``None``.
        spacing: ``width``, intervals of equal width, or ``quantile``, intervals that hold equal numbers of windows;
            windows of one PIC stay together, so intervals may hold unequal numbers, and be fewer than ``bins``.

    The last interval is open above in every case.

    Raises:
        InputError: A value is out of range or the edges do not increase from 0.
    """

    bins: int = 16
    quantile: float = 0.999
    edges: tuple[float, ...] | None = None
    spacing: Spacing = 'width'

    def __post_init__(self) -> None:
        if self.spacing not in get_args(Spacing):
            raise InputError(f"pic_spacing is '{self.spacing}': use {' or '.join(get_args(Spacing))}.")
        if self.edges is not None:
            _check_edges(self.edges)
            self._set(bins=len(self.edges) - 1, edges=tuple(map(float, self.edges)), spacing=IntervalRule.spacing)
        if self.edges is not None or self.spacing == 'quantile':
            self._set(quantile=IntervalRule.quantile)
        if not is_whole(self.bins) or not 1 <= self.bins <= MAX_BINS:
            raise InputError(f'pic_bins is {self.bins}: use 1 to {MAX_BINS} intervals.')
        if not 0 < self.quantile <= 1:
            raise InputError(f'pic_quantile is {self.quantile}: use a number above 0 and up to 1.')

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def edges_for(self, histogram: NDArray[np.int64], pixels: int, step: int = 1) -> NDArray[np.float64]:
        """Edges in grey levels for a data set.

        Args:
            histogram: ``histogram[s]`` windows of the data set have a PIC sum from ``s * step`` to
                ``(s + 1) * step - 1``.
            pixels: Pixels per window, which turn sums into mean gradients.
            step: Sums that are counted as one.

        Returns:
            p + 1 increasing numbers, the first 0. The quantile is the smallest PIC that at least that share of the
            windows does not exceed, to within ``step``; a data set of flat images gets the width of one grey level.
        """
        if self.edges is not None:
            return np.asarray(self.edges, np.float64)
        if self.spacing == 'quantile':
            return self._equal_shares(histogram) * (step / pixels)
        cumulative = np.cumsum(histogram)
        found = int(np.searchsorted(cumulative, self.quantile * cumulative[-1])) if cumulative.size else 0
        top = ((found + 1) * step - 1) / pixels if found else 1.0
        return np.linspace(0.0, top, self.bins + 1, dtype=np.float64)  # type: ignore

    def _equal_shares(self, histogram: NDArray[np.int64]) -> NDArray[np.float64]:
        """Edges between whole entries of a histogram, as near to equal shares as its entries allow."""
        below = np.concatenate([[0], np.cumsum(histogram)])
        targets = below[-1] * (np.arange(1, self.bins) / self.bins)
        above = below.searchsorted(targets)
        nearer = np.where(targets - below[above - 1] <= below[above] - targets, below[above - 1], below[above])
        # Every edge has windows on both sides; those of one value take one edge.
        numbers = np.unique(nearer[(nearer > 0) & (nearer < below[-1])])
        highest = int(np.flatnonzero(histogram)[-1])
        return np.array([0, *below.searchsorted(numbers), highest + 1], np.float64)


def thresholds(edges: Sequence[float] | NDArray[np.float64], pixels: int) -> NDArray[np.int64]:
    """The p - 1 inner edges as PIC sums: a window lies in interval ``searchsorted(thresholds, sum, 'right')``.

    Sums are integers, so ``sum / pixels >= edge`` and ``sum >= ceil(edge * pixels)`` say the same; the comparison
    in integers leaves nothing to rounding.
    """
    scaled = np.asarray(edges, np.float64)[1:-1] * pixels
    # An edge that is a whole number of levels but for the last bit of the product must not move up by one.
    nearest = np.rint(scaled)
    exact = np.isclose(scaled, nearest, rtol=1e-12, atol=1e-9)
    return np.where(exact, nearest, np.ceil(scaled)).astype(np.int64)


def interval_of(sums: NDArray[np.integer], inner: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Interval of each PIC sum, 0 to p - 1; ``inner`` comes from :func:`thresholds`."""
    return np.searchsorted(inner, sums, side='right').astype(np.uint8)


def _check_edges(edges: tuple[float, ...]) -> None:
    if not 2 <= len(edges) <= MAX_BINS + 1:
        raise InputError(f'pic_edges has {len(edges)} numbers: give 0, k_1, ..., k_p with p from 1 to {MAX_BINS}.')
    if edges[0] != 0 or not all(low < high for low, high in pairwise(edges)):
        raise InputError(f'pic_edges is {list(edges)}: the edges must start at 0 and increase.')
