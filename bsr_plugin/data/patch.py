"""From pixels in a store to tensors: turning, mirroring and conversion of patches."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

#: Mirrored, quarter turns clockwise -> the patch that way round.
_ORIENTATIONS: dict[tuple[bool, int], Callable[[Any], Any]] = {
    (False, 0): lambda patch: patch,
    (False, 1): lambda patch: cv2.rotate(patch, cv2.ROTATE_90_CLOCKWISE),
    (False, 2): lambda patch: cv2.flip(patch, -1),
    (False, 3): lambda patch: cv2.rotate(patch, cv2.ROTATE_90_COUNTERCLOCKWISE),
    (True, 0): lambda patch: cv2.flip(patch, 1),
    (True, 1): lambda patch: cv2.flip(cv2.transpose(patch), -1),
    (True, 2): lambda patch: cv2.flip(patch, 0),
    (True, 3): cv2.transpose,
}


def oriented(patch: NDArray[np.uint8], turns: int, mirrored: bool) -> NDArray[np.uint8]:
    """Mirrors a patch left and right, then turns it clockwise (paper, section IV-A: 90, 180 and 270 degrees).

    Args:
        patch: (H, W, 3) uint8; returned itself if there is nothing to do.
        turns: Quarter turns, 0 to 3.
        mirrored: Whether to mirror first.
    """
    return _ORIENTATIONS[mirrored, turns](patch)


def write_planes(image: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """Copies (H, W, 3) BGR pixels into (3, H, W) contiguous RGB planes."""
    red, green, blue = out
    cv2.split(image, (blue, green, red))


def planes_to_tensor(planes: NDArray[np.uint8], as_uint8: bool = False) -> Tensor:
    """RGB planes as a tensor of that shape.

    Args:
        planes: (..., 3, H, W) uint8.
        as_uint8: Keep 0..255 integers, a quarter of the bytes, instead of float32 in [0, 1].

    Returns:
        Floats of its own, or integers that share the memory of ``planes``.
    """
    tensor = torch.from_numpy(planes)
    return tensor if as_uint8 else tensor.to(torch.float32).div_(255)


def to_tensor(image: NDArray[np.uint8], as_uint8: bool = False) -> Tensor:
    """(H, W, 3) BGR uint8 to a (3, H, W) RGB tensor; see :func:`planes_to_tensor`. The pixels are copied."""
    planes = np.empty((3, *image.shape[:2]), np.uint8)
    write_planes(image, planes)
    return planes_to_tensor(planes, as_uint8)
