"""The PIC index: which window of which image lies in which interval, drawn from in constant time.

The intervals may be those of another score of a window than the PIC; nothing here depends on what is measured. For
every LR window the index holds the interval it lies in, one byte, in raster order per image. To reach the k-th
window of an interval without scanning an image, it also holds *anchors*: the position of every ``stride``-th window
of the interval, the stride chosen per image and interval so that anchors are :func:`span_for` windows apart on
average. A draw looks up one anchor and scans the bytes up to the next; all anchors of an interval are equally likely,
so the expected length of that scan is at most that, however rare the interval and however the windows lie.
"""

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bsr_plugin.pic.index_file import IndexFileError, map_arrays, read_header
from bsr_plugin.pic.intervals import IntervalRule
from bsr_plugin.pic.measure import ChannelRule

#: What an index file holds.
ARRAYS = {'grid', 'counts', 'shares', 'strides', 'anchor_starts', 'intervals', 'anchors'}

#: Mean number of windows between two anchors, for up to 32 intervals; in proportion for more intervals.
_SPAN = 128

_BYTES = [bytes([code]) for code in range(256)]
_AND_THE_NEXT = np.array([[0], [1]])


@dataclass(frozen=True)
class IndexKey:
    """Everything an index depends on; two indexes with equal keys are equal.

    Attributes:
        window: Side of the window in LR pixels.
        channels: How a pixel's three gradients are merged.
        intervals: How the intervals are chosen.
        digest: Digest of the store of LR images.
        score: Name of the score: ``gradient`` is the PIC.
        source: Digest of what the score depends on besides the LR images; empty for ``gradient``.
    """

    window: int
    channels: ChannelRule
    intervals: IntervalRule
    digest: str
    score: str = 'gradient'
    source: str = ''

    def as_header(self) -> dict[str, Any]:
        """The key as plain JSON values."""
        key = asdict(self)
        edges = self.intervals.edges
        key['intervals']['edges'] = None if edges is None else list(edges)
        return key


def span_for(bins: int) -> int:
    """Mean distance of two anchors of an interval, in windows."""
    return _SPAN * max(1, -(-bins // 32))


class PICIndex:
    """A PIC index on disk, memory-mapped and read-only.

    Attributes:
        window: Side of the window in LR pixels.
        edges: (p + 1,) edges of the intervals in grey levels, means over a window; the last interval is open above.
        thresholds: (p - 1,) the inner edges as integer sums over the pixels of a window.
        bins: Number of intervals p.
        grid: (N, 2) rows and columns of window positions per image, 0 where the image is smaller than a window.
        counts: (N, p) windows of an image in an interval.
        shares: (N, p) the same as shares of the image's windows.
        windows: (N,) windows per image.
        usable: Positions of the images that have a window at all.
        probabilities: (p,) probability of each interval when an image is drawn at random, then one of its windows.

    Args:
        path: The index file.

    Raises:
        IndexFileError: The file is no index of this version or is damaged.
    """

    def __init__(self, path: Path):
        header = read_header(path)
        arrays = map_arrays(path, header)
        if set(arrays) != ARRAYS:
            raise IndexFileError(f'{path} was written by another version.')
        self.path = path
        self.key: dict[str, Any] = header['key']
        self.window = int(header['key']['window'])
        self.channels: ChannelRule = header['key']['channels']
        self.edges = np.asarray(header['edges'], np.float64)
        self.thresholds = np.asarray(header['thresholds'], np.int64)
        self.grid: NDArray[np.int32] = arrays['grid']
        self.counts: NDArray[np.uint32] = arrays['counts']
        self.shares: NDArray[np.float64] = arrays['shares']
        self.bins = int(self.counts.shape[1])
        self.windows: NDArray[np.int64] = self.grid.astype(np.int64).prod(axis=1)
        self.usable: NDArray[np.int64] = np.flatnonzero(self.windows)
        self._starts: NDArray[np.int64] = np.concatenate([[0], np.cumsum(self.windows)])
        self._intervals: NDArray[np.uint8] = arrays['intervals']
        self._codes: memoryview = self._intervals.data
        self._strides: NDArray[np.uint32] = arrays['strides']
        self._anchor_starts: NDArray[np.int64] = arrays['anchor_starts']
        self._anchors: NDArray[np.uint32] = arrays['anchors']

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """Mean share of every interval over the usable images; computed when it is first asked for."""
        mean: NDArray[np.float64] = self.shares[self.usable].mean(axis=0)
        return mean

    @property
    def bytes_per_window(self) -> float:
        """Size of the file divided by the number of windows it covers."""
        return self.path.stat().st_size / max(1, int(self._starts[-1]))

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process maps the same file instead of getting a copy.
        return PICIndex, (self.path,)

    def intervals_at(self, images: NDArray[np.int64], positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Intervals of the windows at raster ``positions`` of ``images``."""
        return self._intervals[self._starts[images] + positions].astype(np.int64)

    def select(
        self, images: NDArray[np.int64], intervals: NDArray[np.int64], ranks: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Raster positions of windows given by their rank among an image's windows of an interval.

        Args:
            images: (N,) positions of images in the store.
            intervals: (N,) intervals, 0 to p - 1.
            ranks: (N,) ranks, 0 to ``counts[image, interval] - 1``.

        Returns:
            (N,) ``row * columns + column`` of the windows' upper left pixels, ``columns`` being ``grid[image, 1]``.
        """
        return self._select(images, intervals, images * self.bins + intervals, ranks)

    def choose(
        self, images: NDArray[np.int64], intervals: NDArray[np.int64], which: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Raster positions of windows given by numbers from 0 to 1, uniformly among an image's windows of an interval.

        Args:
            images: (N,) positions of images in the store.
            intervals: (N,) intervals that these images have, 0 to p - 1.
            which: (N,) numbers, 0 to 1, which is excluded.

        Returns:
            (N,) as :meth:`select` has them.
        """
        cells = images * self.bins + intervals
        ranks = (which * self.counts.take(cells)).astype(np.int64)
        return self._select(images, intervals, cells, ranks)

    def _select(
        self,
        images: NDArray[np.int64],
        intervals: NDArray[np.int64],
        cells: NDArray[np.int64],
        ranks: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """The windows of cells, which are pairs of image and interval."""
        steps, rests = np.divmod(ranks, self._strides.take(cells).astype(np.int64))
        places = self._anchor_starts.take(cells) + steps
        # From the anchor to the interval's next one; after its last one stands the number of windows.
        anchors: NDArray[np.int64] = self._anchors.take(places + _AND_THE_NEXT).astype(np.int64)
        begins, ends = (anchors + self._starts.take(images)).tolist()
        scans = zip(begins, ends, intervals.tolist(), rests.tolist(), strict=True)
        # The first occurrence, number 0, stands at the anchor.
        offsets = [rest and _offset_of(code, rest, self._codes[begin:end]) for begin, end, code, rest in scans]
        return anchors[0] + np.array(offsets, np.int64)

    def positions(self, image: int, interval: int) -> NDArray[np.int64]:
        """Raster positions of all windows of an image in an interval, ascending."""
        return np.flatnonzero(self._intervals[self._starts[image] : self._starts[image + 1]] == interval)


def _offset_of(code: int, number: int, codes: memoryview) -> int:
    """Where in ``codes`` the occurrence of ``code`` with this number (from 0) stands."""
    behind = codes.tobytes().split(_BYTES[code], number + 1)[-1]
    return len(codes) - len(behind) - 1


def anchors_of(intervals: NDArray[np.uint8], bins: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Counts, strides and anchors of one image.

    Args:
        intervals: (windows,) interval of every window in raster order.
        bins: Number of intervals p.

    Returns:
        ``counts`` (p,), ``strides`` (p,), and the anchors of all intervals in a row; interval ``b`` has
        ``ceil(counts[b] / strides[b])`` of them, and after them the number of windows.
    """
    counts = np.bincount(intervals, minlength=bins)
    strides = np.maximum(1, -(-counts * span_for(bins) // max(1, intervals.size)))
    by_interval = np.argsort(intervals, kind='stable')
    pieces: list[NDArray[np.int64]] = []
    for end, count, stride in zip(np.cumsum(counts), counts, strides, strict=True):
        pieces += [by_interval[end - count : end : stride], np.array([intervals.size])]
    anchors = np.concatenate(pieces)
    return counts.astype(np.uint32), strides.astype(np.uint32), anchors.astype(np.uint32)
