"""Super resolution in one call, for arrays and image files."""

import os
from pathlib import Path
from typing import TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from bsr_plugin.errors import InputError
from bsr_plugin.upscaling.network import Device, Precision, load_network
from bsr_plugin.upscaling.pixels import BANDS
from bsr_plugin.upscaling.strips import Rows, Tiling, upscale_strips

Sample = TypeVar('Sample', bound=np.generic)
Pathlike = str | os.PathLike[str]


@overload
def upscale(
    image: NDArray[Sample],
    scale: int | None = None,
    *,
    weights: Pathlike | None = None,
    self_ensemble: bool = False,
    device: Device = 'auto',
    precision: Precision = 'auto',
    tile: int = Tiling.tile,
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
    tile: int = Tiling.tile,
) -> NDArray: ...


def upscale(
    image: NDArray | Pathlike,
    scale: int | None = None,
    *,
    weights: Pathlike | None = None,
    self_ensemble: bool = False,
    device: Device = 'auto',
    precision: Precision = 'auto',
    tile: int = Tiling.tile,
) -> NDArray:
    """Super-resolves an image.

    It can be called from several threads at once; a network is loaded once for every state of its file.

    Args:
        image: (H, W, 3) RGB, with alpha (H, W, 4), or grey, (H, W) or (H, W, 1), with alpha (H, W, 2); uint8, uint16,
            or floats in [0, 1]. Or the path of an image file, which is read as ``bsr upscale`` reads it.
        scale: Factor, 2, 3 or 4; by default that of the weights, or 2.
        weights: Name of weights that ship, or a file of weights; by default those that ship for ``scale``.
        self_ensemble: Whether to take the mean over eight flips and rotations: a little better, eight times the work.
        device: ``auto`` is the GPU if there is one.
        precision: ``auto`` is bf16 where the device computes it and it is as good as float32.
        tile: Side in LR pixels of what is computed at once, which sets the memory.

    Returns:
        The image, ``scale`` times as high and wide, of the same type and with the same number of axes and bands.

    Raises:
        InputError: The array is not an image, the file cannot be read, or there are no such weights.
    """
    network = load_network(weights, scale, device, precision)
    if isinstance(image, np.ndarray):
        pixels = _checked(image)
        height, width, bands = pixels.shape
        rows: Rows = lambda start, stop: pixels[start:stop]  # noqa: E731
        dtype = pixels.dtype
    else:
        from bsr_plugin.upscaling.reading import ImageFile

        file = ImageFile(Path(image))
        height, width, bands, rows, dtype = file.height, file.width, file.bands, file.rows, file.dtype
    result = np.empty((network.scale * height, network.scale * width, bands), dtype)
    filled = 0
    for strip in upscale_strips(network, rows, (height, width), dtype, Tiling(tile), self_ensemble):
        result[filled : filled + len(strip)] = strip
        filled += len(strip)
    return result[..., 0] if isinstance(image, np.ndarray) and image.ndim == 2 else result


def _checked(image: NDArray) -> NDArray:
    """As (H, W, bands)."""
    pixels = image[..., None] if image.ndim == 2 else image
    if pixels.ndim != 3 or pixels.shape[2] not in BANDS or not pixels.size:
        raise InputError(f'The array has shape {image.shape}: use (H, W, 3), (H, W, 4), (H, W, 2) or (H, W).')
    if pixels.dtype not in (np.uint8, np.uint16) and pixels.dtype.kind != 'f':
        raise InputError(f'The array is of type {image.dtype}: use uint8, uint16, or floats in [0, 1].')
    if pixels.dtype.kind == 'f' and not np.isfinite(pixels).all():
        raise InputError('The array holds NaN or infinity: use floats in [0, 1].')
    return pixels
