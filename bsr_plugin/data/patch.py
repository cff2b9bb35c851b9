"""From pixels in a store to tensors: turning, mirroring and conversion of patches."""

from collections.abc import Callable

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Pixels = NDArray[np.uint8]

#: Mirrored, quarter turns clockwise -> what writes the patch that way round.
_ORIENTATIONS: dict[tuple[bool, int], Callable[[Pixels, Pixels], object]] = {
    (False, 0): lambda patch, out: np.copyto(out, patch),
    (False, 1): lambda patch, out: cv2.rotate(patch, cv2.ROTATE_90_CLOCKWISE, dst=out),
    (False, 2): lambda patch, out: cv2.flip(patch, -1, dst=out),
    (False, 3): lambda patch, out: cv2.rotate(patch, cv2.ROTATE_90_COUNTERCLOCKWISE, dst=out),
    (True, 0): lambda patch, out: cv2.flip(patch, 1, dst=out),
    (True, 1): lambda patch, out: cv2.flip(cv2.transpose(patch), -1, dst=out),
    (True, 2): lambda patch, out: cv2.flip(patch, 0, dst=out),
    (True, 3): lambda patch, out: cv2.transpose(patch, dst=out),
}


def orient(patch: Pixels, turns: int, mirrored: bool, out: Pixels) -> None:
    """Mirrors a patch left and right, then turns it clockwise (paper, section IV-A: 90, 180 and 270 degrees).

    Args:
        patch: (side, side, 3) uint8.
        turns: Quarter turns, 0 to 3.
        mirrored: Whether to mirror first.
        out: (side, side, 3) contiguous uint8, which is written to.
    """
    _ORIENTATIONS[mirrored, turns](patch, out)


def to_tensors(images: Pixels, as_uint8: bool = False) -> Tensor:
    """(N, H, W, 3) BGR uint8 to an (N, 3, H, W) RGB tensor.

    Args:
        images: The pixels; they are copied.
        as_uint8: Keep 0..255 integers, a quarter of the bytes, instead of float32 in [0, 1].
    """
    number, height, width, _ = images.shape
    out = torch.empty(number, 3, height, width, dtype=torch.uint8 if as_uint8 else torch.float32)
    blue_green_red = cv2.split(images.reshape(number * height, width, 3))
    for channel, plane in zip((2, 1, 0), blue_green_red, strict=True):
        values = torch.from_numpy(plane).view(number, height, width)
        if as_uint8:
            out[:, channel] = values
        else:
            torch.div(values, 255, out=out[:, channel])
    return out


def to_tensor(image: Pixels, as_uint8: bool = False) -> Tensor:
    """(H, W, 3) BGR uint8 to a (3, H, W) RGB tensor; see :func:`to_tensors`."""
    return to_tensors(image[None], as_uint8)[0]
