"""Patch information capacity of LR windows (paper, section III-B, equations 1 to 3).

The gradient of a pixel is ``|Gx| + |Gy|`` of the 3x3 Sobel operator, per channel, in grey levels (0..2040). The
channels are merged by their maximum (``max``, the prose below equation 3) or by their sum (``sum``, equation 1).
A window's PIC is the sum over its pixels; every function here returns that integer, and dividing it by the number
of pixels gives the *mean gradient* in which intervals and reports are expressed.

Gradients are those of the whole image: a window sees its true neighbours, and reflect-101 padding is used at the
edge of the image alone. So a window's PIC is a property of the image, not of the crop, and four look-ups in one
integral image give it.
"""

from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from bsr_plugin.errors import InputError

ChannelRule = Literal['max', 'sum']

#: Largest gradient of one pixel in one channel: ``|Gx|`` and ``|Gy|`` reach 4 * 255 each.
MAX_GRADIENT = 2 * 4 * 255

UInt8Image = NDArray[np.uint8]


def gradient_map(image: UInt8Image, channels: ChannelRule = 'max') -> NDArray[np.uint16]:
    """Merged Sobel gradient of every pixel (equations 2 and 3).

    Args:
        image: (H, W, 3) or (H, W), uint8. The channel order does not matter.
        channels: ``max`` or ``sum`` over the channels.

    Returns:
        (H, W) exact integers, at most 2040 for ``max`` and 6120 for ``sum``.

    Raises:
        InputError: ``channels`` is neither.
    """
    if channels not in get_args(ChannelRule):
        raise InputError(f"pic_channels is '{channels}': use 'max' or 'sum'.")
    # Channel by channel: OpenCV has a fast kernel for both derivatives of one channel.
    first, *others = (_gradient_of_channel(channel) for channel in cv2.split(image))
    merge = np.maximum if channels == 'max' else np.add
    for other in others:
        merge(first, other, out=first)
    return first.view(np.uint16)


def _gradient_of_channel(channel: NDArray[Any]) -> NDArray[np.int16]:
    across, down = cv2.spatialGradient(channel, ksize=3, borderType=cv2.BORDER_REFLECT_101)
    total: NDArray[np.int16] = np.abs(across, out=across)  # type: ignore[arg-type]
    total += np.abs(down, out=down)  # type: ignore[arg-type]
    return total


def window_sums(values: NDArray[np.unsignedinteger], window: int) -> NDArray[np.unsignedinteger]:
    """Sum over every ``window`` x ``window`` position of an image: of a :func:`gradient_map`, the PIC (equation 1).

    Args:
        values: (H, W) unsigned integers, any score of single pixels.
        window: Side of the window in LR pixels.

    Returns:
        (H - window + 1, W - window + 1) exact sums; entry (y, x) belongs to the window whose upper left pixel is
        (y, x). Empty, (0, 0), when the image is smaller than the window.
    """
    height, width = values.shape
    if height < window or width < window:
        return np.zeros((0, 0), np.uint32)
    # Sums wrap around at 2^32, and so do their differences: the result is exact while one window's sum fits, which
    # for gradients holds for windows up to 837 pixels whatever the size of the image, for 16-bit maps up to 256.
    kind = np.uint32 if int(values.max()) * window**2 < 2**32 else np.uint64
    integral = np.zeros((height + 1, width + 1), kind)
    np.cumsum(values, axis=0, dtype=kind, out=integral[1:, 1:])
    np.cumsum(integral[1:, 1:], axis=1, out=integral[1:, 1:])
    rows = integral[window:] - integral[:-window]
    return rows[:, window:] - rows[:, :-window]


def window_with_ring(image: UInt8Image, top: int, left: int, window: int) -> UInt8Image:
    """One window and the ring of pixels around it: all that its PIC depends on.

    Args:
        image: The whole LR image, (H, W, 3) uint8.
        top: Row of the window's upper left pixel.
        left: Column of the window's upper left pixel.
        window: Side of the window in LR pixels.

    Returns:
        (window + 2, window + 2, 3): a view, or at the edge of the image a copy whose ring is reflected there.
    """
    height, width = image.shape[:2]
    bottom, right = top + window + 1, left + window + 1
    region = image[max(top - 1, 0) : bottom, max(left - 1, 0) : right]
    missing = int(top == 0), int(bottom > height), int(left == 0), int(right > width)
    return cv2.copyMakeBorder(region, *missing, cv2.BORDER_REFLECT_101) if any(missing) else region  # type: ignore[return-value]


def ringed_sums(regions: UInt8Image, channels: ChannelRule = 'max') -> NDArray[np.uint32]:
    """PIC of many windows at once, from their pixels.

    Args:
        regions: (N, window + 2, window + 2, 3) uint8, each from :func:`window_with_ring`.
        channels: ``max`` or ``sum`` over the channels.

    Returns:
        (N,) the integers ``window_sums(gradient_map(image, channels), window)[top, left]`` of the windows.
    """
    number, height, width, _ = regions.shape
    # One tall picture: pixels inside a ring see no other region.
    gradient = gradient_map(regions.reshape(number * height, width, 3), channels)
    return gradient.reshape(number, height, width)[:, 1:-1, 1:-1].sum(axis=(1, 2), dtype=np.uint32)
