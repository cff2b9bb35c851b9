"""How LR images are made from HR images (paper, section IV-A), and bicubic interpolation as MATLAB does it.

``bicubic`` is MATLAB's ``imresize(image, 1 / scale)`` on uint8, bit for bit: antialiased cubic kernel (Keys,
a = -0.5), mirrored borders, first along the columns of the image (top to bottom), then along its rows, and *rounded
to uint8 after each of the two passes*. ``blur-down`` is a 7x7 Gaussian of sigma 1.6 with replicated borders, then
the centre pixel of every scale x scale block.
"""

from functools import lru_cache
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from bsr_plugin.errors import InputError

Degradation = Literal['bicubic', 'blur-down']

_BLUR_SIZE, _BLUR_SIGMA = 7, 1.6
_CUBIC_SUPPORT = 4.0


def degrade(image: NDArray[np.uint8], scale: int, degradation: Degradation) -> NDArray[np.uint8]:
    """Makes the LR image, (H / scale, W / scale[, C]) uint8, of an HR image, (H, W[, C]) uint8.

    Raises:
        InputError: An unknown degradation, or a size that is not a multiple of ``scale``.
    """
    height, width = image.shape[:2]
    if height % scale or width % scale:
        raise InputError(f'The HR image is {height}x{width}, not a multiple of the scale {scale}: crop it first.')
    if degradation == 'bicubic':
        return imresize(image, height // scale, width // scale)
    if degradation == 'blur-down':
        return blur_down(image, scale)
    raise InputError(f"The degradation is '{degradation}': use {' or '.join(get_args(Degradation))}.")


def crop_to_multiple(image: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    """Cuts the right and lower edges so that both sides are multiples of ``scale`` (``modcrop``)."""
    height, width = image.shape[:2]
    return image[: height - height % scale, : width - width % scale]


def imresize(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """MATLAB's bicubic ``imresize`` of (H, W[, C]) uint8 to a given size, with rounding after each pass.

    The height comes first. MATLAB begins with the side of the smaller factor: where that is the width, pixels may
    differ from MATLAB's by a grey level or two. LR images have one factor.
    """
    rows = round_to_uint8(_resample(image, height, axis=0))
    return round_to_uint8(_resample(rows, width, axis=1))


def imresize_float(image: NDArray[np.floating], height: int, width: int) -> NDArray[np.float64]:
    """The same in floating point, without rounding and without clipping: the paper's baseline uses it both ways."""
    return _resample(_resample(image, height, axis=0), width, axis=1)


def blur_down(image: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    """Gaussian blur (7x7, sigma 1.6, replicated border), then every ``scale``-th pixel from the block's centre."""
    return round_to_uint8(blur_down_float(image.astype(np.float64), scale))


def blur_down_float(image: NDArray[np.float64], scale: int) -> NDArray[np.float64]:
    """The same in floating point, without rounding."""
    blurred = cv2.GaussianBlur(
        image, (_BLUR_SIZE, _BLUR_SIZE), _BLUR_SIGMA, sigmaY=_BLUR_SIGMA, borderType=cv2.BORDER_REPLICATE
    )
    centre = scale // 2
    return np.ascontiguousarray(blurred[centre::scale, centre::scale])


def round_to_uint8(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Rounds half up and saturates, as MATLAB's ``uint8`` does for these values."""
    return np.floor(np.clip(values, 0, 255) + 0.5).astype(np.uint8)


def cubic_kernel(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic convolution kernel with a = -0.5, support [-2, 2]."""
    distance = np.abs(x)
    square, cube = distance**2, distance**3
    near = (1.5 * cube - 2.5 * square + 1) * (distance <= 1)
    far = (-0.5 * cube + 2.5 * square - 4 * distance + 2) * ((distance > 1) & (distance <= 2))
    return near + far


@lru_cache(maxsize=64)
def contributions(length: int, new_length: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Weights and source positions of a one-dimensional resize, after MATLAB's ``contributions``.

    Returns:
        ``weights`` (new_length, taps), every row summing to 1, and ``positions`` (new_length, taps) into the
        samples, mirrored at both ends with the edge sample repeated. Taps that are zero everywhere are left out.
    """
    scale = new_length / length
    shrink = min(scale, 1.0)
    support = _CUBIC_SUPPORT / shrink
    centre = (np.arange(1, new_length + 1) / scale) + 0.5 * (1 - 1 / scale)
    left = np.floor(centre - support / 2)
    positions = left[:, None] + np.arange(int(np.ceil(support)) + 2)
    weights = shrink * cubic_kernel(shrink * (centre[:, None] - positions))
    weights /= weights.sum(axis=1, keepdims=True)
    mirrored = np.concatenate([np.arange(length), np.arange(length)[::-1]])
    positions = mirrored[np.mod(positions.astype(np.int64) - 1, 2 * length)]
    used = weights.any(axis=0)
    return weights[:, used], positions[:, used]


def _resample(image: NDArray[np.uint8] | NDArray[np.floating], new_length: int, axis: int) -> NDArray[np.float64]:
    """Resizes one axis. Taps are added in order, as MATLAB does, so that ties round alike."""
    weights, positions = contributions(image.shape[axis], new_length)
    along = tuple(slice(None) if dimension == axis else None for dimension in range(image.ndim))
    # Samples are gathered in their own type: bytes are an eighth of the memory traffic of doubles.
    total = weights[:, 0][along] * image.take(positions[:, 0], axis)
    product = np.empty_like(total)
    for tap in range(1, weights.shape[1]):
        np.multiply(weights[:, tap][along], image.take(positions[:, tap], axis), out=product)
        total += product
    return total
