"""From rows of LR pixels to rows of HR pixels, from top to bottom."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from bsr_plugin.errors import InputError
from bsr_plugin.models.self_ensemble import x8
from bsr_plugin.models.tiling import infer_strips, spans
from bsr_plugin.upscaling.network import RGBNetwork
from bsr_plugin.upscaling.pixels import for_all_bands, to_pixels, to_tensor
from bsr_plugin.upscaling.settings import SMALLEST_TILE, TILE

#: Gives the pixels (h, W, bands) of the rows from one to before another; no row is asked for twice, none left out.
Rows = Callable[[int, int], NDArray]

#: Overlap of tiles where the network looks farther, or does not tell how far; what lies beyond hardly counts.
LARGEST_OVERLAP = 48


@dataclass(frozen=True)
class Tiling:
    """How an image is cut.

    Attributes:
        tile: Side of a tile in LR pixels, 16 or more; an image that is not larger is not cut.
        overlap: LR pixels by which a tile reaches into its neighbours; ``None`` takes as much as the network looks, so
            that cutting changes nothing, up to ``LARGEST_OVERLAP`` and to a quarter of the tile.
    """

    tile: int = TILE
    overlap: int | None = None

    def __post_init__(self) -> None:
        """Refuses tiles that cannot be, and those that would be mostly overlap."""
        if not isinstance(self.tile, int | np.integer) or self.tile < SMALLEST_TILE:
            raise InputError(f'The tile is {self.tile!r}: use a whole number of LR pixels, {SMALLEST_TILE} or more.')

    def overlap_for(self, network: RGBNetwork) -> int:
        """The overlap, which leaves at least half of the tile."""
        if self.overlap is not None:
            return self.overlap
        reach = LARGEST_OVERLAP if network.reach is None else min(network.reach, LARGEST_OVERLAP)
        return min(reach, self.tile // 4)


def upscale_strips(
    network: RGBNetwork,
    rows: Rows,
    shape: tuple[int, int],
    dtype: DTypeLike,
    tiling: Tiling,
    self_ensemble: bool = False,
    advance: Callable[[float], object] = lambda share: None,
) -> Iterator[NDArray]:
    """Upscales an image whose rows are read, and yields the rows of the result as they are finished.

    Args:
        network: What upscales.
        rows: Where the pixels come from.
        shape: Height and width of the LR image.
        dtype: Type of the samples that are yielded.
        tiling: How the image is cut.
        self_ensemble: Whether every tile is the mean over its eight flips and rotations.
        advance: Called after every tile with its share of the whole work.

    Yields:
        (h, scale * W, bands) of ``dtype``; together the heights are scale * H.
    """
    overlap = tiling.overlap_for(network)
    parts = [spans(length, tiling.tile, overlap, network.reach) for length in shape]
    share = 1 / (len(parts[0]) * len(parts[1]))
    every_band = for_all_bands(network)

    def tile(image: Tensor) -> Tensor:
        result = x8(every_band, image) if self_ensemble else every_band(image)
        advance(share)
        return result

    for strip in infer_strips(tile, _Window(rows).rows, shape, tiling.tile, overlap, network.reach):
        yield to_pixels(strip, dtype)


class _Window:
    """Keeps the rows that neighbouring strips share, so that each is read once."""

    def __init__(self, rows: Rows) -> None:
        self._read = rows
        self._start = self._stop = 0
        self._kept = torch.empty(0)

    def rows(self, start: int, stop: int) -> Tensor:
        image = to_tensor(np.asarray(self._read(self._stop, stop)))
        if start < self._stop:
            image = torch.cat([self._kept[..., start - self._start :, :], image], dim=-2)
        self._start, self._stop, self._kept = start, stop, image
        return image
