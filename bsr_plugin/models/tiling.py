"""Inference tile by tile: the memory that a network needs is set by the tile, not by the image.

Neighbouring tiles share a strip, and the results are blended there with linear ramps. A pixel that is nearer to a cut
edge than the network's reach may differ from that of the whole image; if the strip is wide enough, the ramps leave
these pixels out and tiling changes nothing.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise, zip_longest

import torch
from torch import Tensor

from bsr_plugin.models.padding import cropped, padded

Network = Callable[[Tensor], Tensor]

#: Smallest side of a tile in LR pixels; an image that does not fit in memory in such tiles does not fit at all.
MIN_TILE = 16

_SIGNS_OF_EXHAUSTION = (
    *("can't allocate memory", 'not enough memory', 'out of memory', 'ALLOC_FAILED'),
    # cuDNN's, when none of its algorithms finds room for its workspace.
    *('unable to find an engine to execute', 'Unable to find a valid cuDNN algorithm'),
)


@dataclass(frozen=True)
class Span:
    """The part of one axis that a tile covers.

    Attributes:
        start: First LR pixel.
        stop: One past the last LR pixel.
        ramp_in: LR positions over which the weight ramps up from the previous span, ``None`` for the first span.
        ramp_out: LR positions over which it ramps down to the next span, ``None`` for the last span.
    """

    start: int
    stop: int
    ramp_in: tuple[float, float] | None
    ramp_out: tuple[float, float] | None

    def weight(self, scale: int) -> Tensor:
        """Weights of its HR pixels, shape (scale * (stop - start),), float32 in [0, 1]."""
        centres = (torch.arange(scale * self.start, scale * self.stop, dtype=torch.float64) + 0.5) / scale
        # A difference of neighbouring ramps, so that the sum over all spans telescopes to 1 however many overlap.
        return (_ramp(centres, self.ramp_in, 1.0) - _ramp(centres, self.ramp_out, 0.0)).float()

    def of(self, tensor: Tensor, axis: int, scale: int = 1) -> Tensor:
        """A view of its pixels along an axis of an image that is ``scale`` times as large as the LR image."""
        return tensor.narrow(axis, scale * self.start, scale * (self.stop - self.start))


def _ramp(positions: Tensor, between: tuple[float, float] | None, otherwise: float) -> Tensor:
    if between is None:
        return torch.full_like(positions, otherwise)
    low, high = between
    return (positions > low).double() if low == high else ((positions - low) / (high - low)).clamp(0, 1)


def spans(length: int, tile: int, overlap: int, reach: int | None = None, multiple: int = 1) -> list[Span]:
    """Cuts an axis of ``length`` LR pixels into spans of equal length whose weights add up to 1 everywhere.

    The other arguments are those of ``infer``; an axis that is not longer than a tile is one span. Spans begin at
    multiples of ``multiple``, which divides ``length`` and ``tile``: windows stand where they do in the whole image.
    """
    if length <= tile:
        return [Span(0, length, None, None)]
    steps, longest = (length - tile) // multiple, (tile - 2 * overlap) // multiple
    gaps = -(-steps // longest)
    starts = [index * steps // gaps * multiple for index in range(gaps + 1)]
    seams = [_seam(start, before + tile, overlap, reach) for before, start in pairwise(starts)]
    ends = [start + tile for start in starts]
    return [*map(Span, starts, ends, [None, *seams], [*seams, None])]


def _seam(start: int, stop: int, overlap: int, reach: int | None) -> tuple[float, float]:
    """Where the weight goes over from the span that ends at ``stop`` to the one that begins at ``start``."""
    left_out = reach if reach is not None and reach <= overlap else overlap / 2
    if stop - start < 2 * left_out + 2:
        middle = float((start + stop) // 2)
        return middle, middle
    return start + left_out, stop - left_out


@torch.no_grad()
def infer_strips(
    network: Network,
    rows: Callable[[int, int], Tensor],
    size: tuple[int, int],
    tile: int,
    overlap: int,
    reach: int | None = None,
    multiple: int = 1,
) -> Iterator[Tensor]:
    """Applies ``network`` to overlapping tiles, from top to bottom, and yields the rows that are finished.

    Arguments that are not explained here are those of ``infer``, and so is the result, to the bit. Memory is taken for
    one strip of tiles, whatever the height.

    Args:
        network: As in ``infer``.
        rows: Gives the LR rows from one to before another as (N, C, h, W); both numbers never decrease.
        size: H and W of the LR image.
        tile: As in ``infer``.
        overlap: As in ``infer``.
        reach: As in ``infer``.
        multiple: As in ``infer``.

    Yields:
        (N, C', h, s W), float32, on the CPU; together the heights are s H.

    Raises:
        ValueError: As in ``infer``.
    """
    if overlap < 0 or tile - 2 * overlap < multiple:
        left = f'less than {multiple}' if multiple > 1 else 'nothing'
        raise ValueError(f'an overlap of {overlap} on each side leaves {left} of a tile of {tile}')
    downwards, across = (spans(length, tile, overlap, reach, multiple) for length in size)
    shared: Tensor | None = None
    for span, below in zip_longest(downwards, downwards[1:]):
        image, strip = rows(span.start, span.stop), None
        for columns in across:
            part = network(columns.of(image, -1)).float()
            scale = part.size(-2) // (span.stop - span.start)
            if strip is None:
                strip = torch.zeros(*part.shape[:-1], scale * size[1])
                if shared is not None:
                    strip[..., : shared.size(-2), :] = shared
            weight = span.weight(scale)[:, None] * columns.weight(scale)
            columns.of(strip, -1, scale).add_((part * weight.to(part.device)).cpu())
        assert strip is not None
        finished = scale * (below.start - span.start) if below else strip.size(-2)
        yield strip[..., :finished, :]
        shared = strip[..., finished:, :].clone()


def infer(
    network: Network, image: Tensor, tile: int, overlap: int, reach: int | None = None, multiple: int = 1
) -> Tensor:
    """Applies ``network`` to overlapping tiles and blends the results.

    Args:
        network: Maps (N, C, h, w) to (N, C', s h, s w) for an integer s.
        image: (N, C, H, W).
        tile: Side of a tile in LR pixels.
        overlap: LR pixels by which a tile at least reaches into its neighbour's part, on each side; with ``reach`` or
            more the result is that of the whole image, up to rounding.
        reach: Largest distance over which the network looks. Pixels nearer than this to a cut edge get the weight 0
            where the overlap allows; without it, half of the overlap is left out.
        multiple: What ``tile`` and the sides of the image are multiples of, and the places of all tiles.

    Returns:
        (N, C', s H, s W), float32, on the CPU, where only this result and one strip's take room.

    Raises:
        ValueError: ``overlap`` is not less than half of ``tile``, or leaves less than ``multiple`` of it.
    """
    height, width = image.shape[-2:]
    strips = infer_strips(
        network,
        lambda start, stop: image.narrow(-2, start, stop - start),
        (height, width),
        tile,
        overlap,
        reach,
        multiple,
    )
    result, filled = None, 0
    for strip in strips:
        if result is None:
            result = torch.empty(*strip.shape[:-2], strip.size(-1) // width * height, strip.size(-1))
        result[..., filled : filled + strip.size(-2), :] = strip
        filled += strip.size(-2)
    assert result is not None
    return result


class Tiler:
    """Runs a network on images of any size, with smaller tiles whenever memory runs out.

    Args:
        tile: Side of a tile in LR pixels; ``None`` takes an image whole as long as it fits.
        overlap: As in ``infer``.
        logger: Where a smaller tile is reported.
    """

    def __init__(self, tile: int | None, overlap: int, logger: logging.Logger) -> None:
        self.tile, self.overlap = tile, overlap
        self._logger = logger

    def __call__(self, network: Network, image: Tensor, reach: int | None = None, multiple: int = 1) -> Tensor:
        """Gives the network's result for ``image``; see ``infer``.

        An image is padded to multiples of ``multiple`` and its result cropped; tiles are rounded down to a multiple,
        to one at least, and the overlap leaves one of them. A tile that proved too large stays halved for the images
        that follow.

        Raises:
            RuntimeError: PyTorch's out-of-memory error, where even the smallest tile does not fit.
        """
        whole = padded(image, multiple)
        longest = max(whole.shape[-2:])
        while True:
            tile = min(max(multiple, (self.tile or longest) // multiple * multiple), longest)
            try:
                return cropped(self._run(network, whole, tile, reach, multiple), image, whole)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or tile // 2 < max(MIN_TILE, multiple):
                    raise
            # Outside the handler: the error's traceback kept the network's activations alive.
            self._shrink(tile // 2 // multiple * multiple, image)

    @torch.no_grad()
    def _run(self, network: Network, image: Tensor, tile: int, reach: int | None, multiple: int) -> Tensor:
        if tile == max(image.shape[-2:]):
            return network(image)
        return infer(network, image, tile, min(self.overlap, (tile - multiple) // 2), reach, multiple)

    def _shrink(self, tile: int, image: Tensor) -> None:
        height, width = image.shape[-2:]
        message = f'Out of memory for an LR image of {width} x {height} pixels; retrying in tiles of {tile}'
        if 4 * self.overlap > tile:  # a wider one would compute most pixels many times
            self.overlap = tile // 4
            message += f' with an overlap of {self.overlap}'
        self.tile = tile
        self._logger.warning('%s.', message)
        if image.is_cuda:
            torch.cuda.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether PyTorch ran out of memory, on a GPU or in its CPU allocator."""
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and any(sign in text for sign in _SIGNS_OF_EXHAUSTION)
