"""Building the PIC index of a store: two passes over its LR images, on all cores, in bounded memory."""

from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from bsr_plugin.atomic import replacing
from bsr_plugin.errors import InputError
from bsr_plugin.parallel import ordered_map
from bsr_plugin.pic.index import IndexKey, PICIndex, anchors_of
from bsr_plugin.pic.index_file import ArraysWriter
from bsr_plugin.pic.intervals import interval_of, thresholds
from bsr_plugin.pic.measure import window_sums
from bsr_plugin.progress import progress

#: Entries of the histogram at most, 256 MiB: it is exact for gradients in windows up to 128 pixels, for sums of three
#: channels up to 74.
_LONGEST_HISTOGRAM = 1 << 25


class ScoreMaps(Protocol):
    """What the index is built from: a score of every LR pixel, whose sums over windows are sorted into intervals."""

    @property
    def sizes(self) -> NDArray[np.int64]:
        """(N, 2) height and width of every image."""

    @property
    def largest(self) -> int:
        """The score of a pixel is at most this."""

    @property
    def parts(self) -> int:
        """Values that the score of a pixel is the sum of; edges are means over these."""

    def map(self, position: int) -> NDArray[np.unsignedinteger]:
        """(H, W) score of every pixel of an image, exact integers."""


def build_index(maps: ScoreMaps, key: IndexKey, path: Path) -> PICIndex:
    """Measures every window of every image and writes the index, whole or not at all.

    The first pass counts the sums of windows to place the intervals, the second assigns windows to them. The bytes
    written depend on the maps and the key alone, not on the number of cores.

    Args:
        maps: The score of every pixel, exact integers.
        key: What the index is for; it names the maps.
        path: The file to create or replace.

    Returns:
        The new index, opened.

    Raises:
        InputError: Every image is smaller than the window.
    """
    grid = np.maximum(0, np.asarray(maps.sizes, np.int64) - (key.window - 1))
    grid[(grid == 0).any(axis=1)] = 0
    if not grid.any():
        largest = max(maps.sizes.tolist(), key=min, default=(0, 0))
        raise InputError(
            f'No image is as large as a patch: the window is {key.window} LR pixels and the largest LR image '
            f'{largest[0]}x{largest[1]}; use a smaller gt_size or larger images.'
        )
    histogram, step = _histogram(maps, grid, key)
    values = key.window**2 * maps.parts
    edges = key.intervals.edges_for(histogram, values, step)
    with replacing(path) as temporary, temporary.open('w+b') as file:
        _write(file, maps, grid, key, edges, thresholds(edges, values))
    return PICIndex(path)


def _sums(maps: ScoreMaps, position: int, key: IndexKey) -> NDArray[np.unsignedinteger]:
    return window_sums(maps.map(position), key.window).reshape(-1)


def _histogram(maps: ScoreMaps, grid: NDArray[np.int64], key: IndexKey) -> tuple[NDArray[np.int64], int]:
    """Histogram of the sums of all windows, as long as the largest needs, and how many sums an entry counts."""
    histogram: NDArray[np.int64] = np.zeros(1, np.int64)
    shift = max(0, (maps.largest * key.window**2 // _LONGEST_HISTOGRAM).bit_length())
    if key.intervals.edges is not None:
        return histogram, 1
    usable = np.flatnonzero(grid.any(axis=1))
    sums_of = ordered_map(lambda position: _sums(maps, int(position), key) >> shift, usable)
    for sums in progress(sums_of, total=len(usable), label='PIC, first pass', unit='image'):
        lowest, highest = int(sums.min()), int(sums.max())
        if highest >= histogram.size:
            histogram = np.pad(histogram, (0, highest + 1 - histogram.size))
        histogram[lowest : highest + 1] += np.bincount((sums - sums.dtype.type(lowest)).astype(np.int64, copy=False))
    return histogram, 1 << shift


def _write(
    file: BinaryIO,
    maps: ScoreMaps,
    grid: NDArray[np.int64],
    key: IndexKey,
    edges: NDArray[np.float64],
    inner: NDArray[np.int64],
) -> None:
    number, bins = len(grid), len(edges) - 1
    writer = ArraysWriter(file)
    writer.reserve('grid', np.int32, (number, 2))
    writer.reserve('counts', np.uint32, (number, bins))
    writer.reserve('shares', np.float64, (number, bins))
    writer.reserve('strides', np.uint32, (number, bins))
    writer.reserve('anchor_starts', np.int64, (number, bins))
    writer.reserve('intervals', np.uint8, (int(grid.prod(axis=1).sum()),))
    writer.reserve('anchors', np.uint32, (0,))

    def measured(position: int) -> tuple[NDArray[np.uint8], tuple[NDArray, NDArray, NDArray]]:
        sums = _sums(maps, position, key) if grid[position].any() else np.zeros(0, np.uint32)
        intervals = interval_of(sums, inner)
        return intervals, anchors_of(intervals, bins)

    tables = {name: np.zeros((number, bins), np.int64) for name in ('counts', 'strides', 'anchor_starts')}
    window_at = anchor_at = 0
    results = ordered_map(measured, range(number))
    for position, (intervals, (counts, strides, anchors)) in enumerate(
        progress(results, total=number, label='PIC, second pass', unit='image')
    ):
        writer.write('intervals', intervals, window_at)
        writer.write('anchors', anchors, anchor_at)
        lengths = -(-counts.astype(np.int64) // strides) + 1
        tables['anchor_starts'][position] = anchor_at + np.cumsum(lengths) - lengths
        tables['counts'][position], tables['strides'][position] = counts, strides
        window_at += intervals.size
        anchor_at += anchors.size
    writer.extend_last('anchors', anchor_at)
    writer.write('grid', grid)
    writer.write('shares', tables['counts'] / np.maximum(1, grid.prod(axis=1))[:, None])
    for name, table in tables.items():
        writer.write(name, table)
    writer.finish({'key': key.as_header(), 'edges': edges.tolist(), 'thresholds': inner.tolist()})
