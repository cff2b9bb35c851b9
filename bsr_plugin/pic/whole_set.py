"""Drawing an image of the whole data set for an interval, in constant time but for a binary search."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bsr_plugin.pic.index import PICIndex


class WholeSet:
    """The images of a data set by interval, for places in a batch that no candidate can fill, or if all are candidates.

    Its tables, 16 bytes for every image of every interval, are made when they are first used.
    """

    def __init__(self, index: PICIndex):
        self._index = index

    @cached_property
    def nearest(self) -> NDArray[np.int64]:
        """(p,) each interval itself, or the nearest one that some image has, the lower on a tie."""
        occupied = np.flatnonzero(self._index.counts.any(axis=0))
        distance = np.abs(np.arange(self._index.bins)[:, None] - occupied[None, :])
        return occupied[distance.argmin(axis=1)]

    def having(self, interval: int) -> NDArray[np.int64]:
        """The images that have windows in an interval, ascending."""
        return self._images[self._starts[interval] : self._starts[interval + 1]]

    def pick(self, intervals: NDArray[np.int64], which: NDArray[np.float64]) -> NDArray[np.int64]:
        """An image for each of the intervals, with probability proportional to the share of its windows in there.

        Args:
            intervals: (N,) intervals that some image has.
            which: (N,) places from 0 to 1 among the probabilities.
        """
        found = self._cumulative.searchsorted(intervals + which, side='right')
        # The sum may round up to the next interval's first place.
        return self._images[np.minimum(found, self._starts[intervals + 1] - 1)]

    @cached_property
    def _images(self) -> NDArray[np.int64]:
        """The images of all intervals, one interval after the other."""
        return np.nonzero(self._index.counts.T)[1]

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """(p + 1,) where in :attr:`_images` the intervals begin."""
        return np.concatenate([[0], np.count_nonzero(self._index.counts, axis=0).cumsum()])

    @cached_property
    def _cumulative(self) -> NDArray[np.float64]:
        """Cumulative probabilities of :attr:`_images`, which go from k to k + 1 for interval k."""
        sums = [self._index.shares[self.having(k), k].cumsum() for k in range(self._index.bins)]
        return np.concatenate([k + each / each[-1] for k, each in enumerate(sums) if each.size])
