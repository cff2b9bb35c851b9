"""From pixels in a store to tensors: turning, mirroring and conversion of patches."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bsr_plugin.data.uint8_images import UInt8Images

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
    """Mirrors (H, W, 3) left and right, then turns it by 0 to 3 quarters clockwise (paper, section IV-A).

    Returns the patch itself if there is nothing to do.
    """
    return _ORIENTATIONS[mirrored, turns](patch)


def write_planes(image: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """Copies (H, W, 3) BGR pixels into (3, H, W) contiguous RGB planes."""
    red, green, blue = out
    cv2.split(image, (blue, green, red))


def to_uint8_images(image: NDArray[np.uint8]) -> UInt8Images:
    """(H, W, 3) BGR pixels as (3, H, W) RGB planes; they are copied."""
    planes = np.empty((3, *image.shape[:2]), np.uint8)
    write_planes(image, planes)
    return UInt8Images(torch.from_numpy(planes))


def to_tensor(image: NDArray[np.uint8]) -> Tensor:
    """(H, W, 3) BGR pixels as (3, H, W) RGB, float32 in [0, 1]."""
    return to_uint8_images(image).to('cpu')
