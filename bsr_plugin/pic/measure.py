"""Patch information capacity of LR windows (paper, section III-B, equations 1 to 3).

The gradient of a pixel is ``|Gx| + |Gy|`` of the 3x3 Sobel operator, per channel, in grey levels (0..2040). The
channels are merged by their maximum (``max``, the prose below equation 3) or by their sum (``sum``, equation 1).
A window's PIC is the sum over its pixels; every function here returns that integer, and dividing it by the number
of pixels gives the *mean gradient* in which intervals and reports are expressed.

Gradients are those of the whole image: a window sees its true neighbours, and reflect-101 padding is used at the
edge of the image alone. So a window's PIC is a property of the image, not of the crop, and four look-ups in one
integral image give it.
"""

from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from bsr_plugin.errors import InputError

ChannelRule = Literal['max', 'sum']

#: Largest gradient of one pixel in one channel: |Gx| and |Gy| reach 4 * 255 each.
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
    horizontal = np.abs(_sobel(image, 1, 0))
    horizontal += np.abs(_sobel(image, 0, 1))
    if image.ndim == 2:
        return horizontal.view(np.uint16)
    first, second, third = horizontal[..., 0], horizontal[..., 1], horizontal[..., 2]
    if channels == 'max':
        merged = np.maximum(first, second)
        np.maximum(merged, third, out=merged)
    else:
        merged = first + second
        merged += third
    return merged.view(np.uint16)


def window_sums(gradient: NDArray[np.uint16], window: int) -> NDArray[np.uint32]:
    """PIC of every ``window`` x ``window`` position of an image (equation 1).

    Args:
        gradient: (H, W), from :func:`gradient_map`.
        window: Side of the window in LR pixels.

    Returns:
        (H - window + 1, W - window + 1) exact sums; entry (y, x) belongs to the window whose upper left pixel is
        (y, x). Empty, (0, 0), when the image is smaller than the window.
    """
    height, width = gradient.shape
    if height < window or width < window:
        return np.zeros((0, 0), np.uint32)
    # Sums wrap around at 2^32, and so do their differences: the result is exact while one window's sum fits, which
    # holds for windows up to 837 pixels whatever the size of the image.
    integral = np.zeros((height + 1, width + 1), np.uint32)
    np.cumsum(gradient, axis=0, dtype=np.uint32, out=integral[1:, 1:])
    np.cumsum(integral[1:, 1:], axis=1, out=integral[1:, 1:])
    rows = integral[window:] - integral[:-window]
    return rows[:, window:] - rows[:, :-window]


def patch_sum(image: UInt8Image, top: int, left: int, window: int, channels: ChannelRule = 'max') -> int:
    """PIC of one window, from no more pixels than it needs: the window and the ring around it.

    Args:
        image: The whole LR image, (H, W, 3) uint8.
        top: Row of the window's upper left pixel.
        left: Column of the window's upper left pixel.
        window: Side of the window in LR pixels.
        channels: ``max`` or ``sum`` over the channels.

    Returns:
        The same integer as ``window_sums(gradient_map(image, channels), window)[top, left]``.
    """
    above, before = min(top, 1), min(left, 1)
    region = image[top - above : top + window + 1, left - before : left + window + 1]
    gradient = gradient_map(region, channels)
    return int(gradient[above : above + window, before : before + window].sum(dtype=np.uint32))


def _sobel(image: UInt8Image, x_order: int, y_order: int) -> NDArray[np.int16]:
    return cv2.Sobel(image, cv2.CV_16S, x_order, y_order, ksize=3, borderType=cv2.BORDER_REFLECT_101)  # type: ignore[return-value]
