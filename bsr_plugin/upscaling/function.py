"""Super resolution in one call, for arrays and image files."""

import os
from pathlib import Path
from typing import TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from bsr_plugin.errors import InputError
from bsr_plugin.upscaling.network import load_network
from bsr_plugin.upscaling.pixels import BANDS
from bsr_plugin.upscaling.settings import TILE, Device, Precision
from bsr_plugin.upscaling.strips import Rows, Tiling, upscale_strips

Sample = TypeVar('Sample', bound=np.generic)
Pathlike = str | os.PathLike[str]

#: What floats in [0, 1] do not reach, even where they ring: those in [0, 255] do.
_LEAST, _MOST = -0.5, 1.5


@overload
def upscale(
    image: NDArray[Sample],
    scale: int | None = None,
    *,
    weights: Pathlike | None = None,
    self_ensemble: bool = False,
    device: Device = 'auto',
    precision: Precision = 'auto',
    tile: int = TILE,
) -> NDArray[Sample]: ...


@overload
def upscale(
    image: Pathlike,
    scale: int | None = None,
    *,
    weights: Pathlike | None = None,
    self_ensemble: bool = False,
    device: Device = 'auto',
    precision: Precision = 'auto',
    tile: int = TILE,
) -> NDArray: ...


def upscale(
    image: NDArray | Pathlike,
    scale: int | None = None,
    *,
    weights: Pathlike | None = None,
    self_ensemble: bool = False,
    device: Device = 'auto',
    precision: Precision = 'auto',
    tile: int = TILE,
) -> NDArray:
    """Super-resolves an image.

    It is thread-safe, and a network is cached until its file changes. Child processes have to be started by spawn:
    after a fork, the threads of torch and libvips that the parent has used are missing, and the child hangs.
    ``bsr_plugin.allocator.keep_freed_memory()``, called once, makes large images up to twice as fast on the CPU, as it
    does in ``bsr upscale``. Reading a file blocks, for the process, the loaders that libvips calls untrusted (SVG and
    PDF among them).

    Args:
        image: (H, W, 3) RGB, with alpha (H, W, 4), or grey, (H, W) or (H, W, 1), with alpha (H, W, 2); uint8, uint16,
            or floats in [0, 1]. Or the path of an image file, which is read as ``bsr upscale`` reads it.
        scale: Factor: 2, 3, 4, or 8 with weights of your own; by default that of the weights, or 2.
        weights: Name of pretrained weights, or a file of weights; by default those that ship for ``scale``.
        self_ensemble: Whether to take the mean over eight flips and rotations: a little better, eight times the work.
        device: ``auto`` is the GPU if there is one.
        precision: ``auto`` is bf16 where the device computes it and it is as good as float32.
        tile: Side of a tile in LR pixels, at least 16; smaller tiles need less memory.

    Returns:
        The image, ``scale`` times as high and wide, of the same type and with the same number of axes and bands.

    Raises:
        InputError: The array is not an image, the file cannot be read, or there are no such weights, device or
            precision.
    """
    tiling = Tiling(tile)
    if isinstance(image, np.ndarray):
        pixels = _checked(image)
        height, width, bands = pixels.shape
        rows: Rows = lambda start, stop: pixels[start:stop]  # noqa: E731
        dtype = pixels.dtype
    elif not isinstance(image, str | os.PathLike):
        raise InputError(f'The image is a {type(image).__name__}: use np.asarray(image), or the path of a file.')
    else:
        from bsr_plugin.upscaling.reading import ImageFile

        file = ImageFile(Path(image))
        height, width, bands, rows, dtype = file.height, file.width, file.bands, file.rows, file.dtype
    network = load_network(weights, scale, device, precision)
    result = np.empty((network.scale * height, network.scale * width, bands), dtype)
    filled = 0
    for strip in upscale_strips(network, rows, (height, width), dtype, tiling, self_ensemble):
        result[filled : filled + len(strip)] = strip
        filled += len(strip)
    return result[..., 0] if isinstance(image, np.ndarray) and image.ndim == 2 else result


def _checked(image: NDArray) -> NDArray:
    """As (H, W, bands)."""
    pixels = image[..., None] if image.ndim == 2 else image
    if pixels.ndim != 3 or pixels.shape[2] not in BANDS or not pixels.size:
        raise InputError(f'The array has shape {image.shape}: use (H, W, 3), (H, W, 4), (H, W, 2) or (H, W).')
    if pixels.dtype.newbyteorder('=') not in (np.uint8, np.uint16) and pixels.dtype.kind != 'f':
        raise InputError(f'The array is of type {image.dtype}: use uint8, uint16, or floats in [0, 1].')
    if pixels.dtype.kind == 'f' and not np.isfinite(pixels).all():
        raise InputError('The array holds NaN or infinity: use floats in [0, 1].')
    if pixels.dtype.kind == 'f' and ((low := pixels.min()) < _LEAST or pixels.max() > _MOST):
        raise InputError(f'The array reaches from {low:g} to {pixels.max():g}: floats are in [0, 1], divide by 255.')
    return pixels
