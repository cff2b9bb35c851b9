"""From pixels in a store to tensors: turning, flipping and conversion of patches."""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

#: Quarter turns clockwise -> OpenCV's code.
_TURNS = {1: cv2.ROTATE_90_CLOCKWISE, 2: cv2.ROTATE_180, 3: cv2.ROTATE_90_COUNTERCLOCKWISE}


def augment(patch: NDArray[np.uint8], turns: int, mirrored: bool) -> NDArray[np.uint8]:
    """Mirrors left and right, then turns clockwise (paper, section IV-A: 90, 180 and 270 degrees).

    Args:
        patch: (H, W, 3) uint8.
        turns: Quarter turns, 0 to 3.
        mirrored: Whether to mirror first.
    """
    if mirrored:
        patch = cv2.flip(patch, 1)  # type: ignore[assignment]
    if turns:
        patch = cv2.rotate(patch, _TURNS[turns])  # type: ignore[assignment]
    return patch


def to_tensor(image: NDArray[np.uint8], as_uint8: bool = False) -> Tensor:
    """(H, W, 3) BGR uint8 to a (3, H, W) RGB tensor.

    Args:
        image: The pixels; they are copied.
        as_uint8: Keep 0..255 integers, a quarter of the bytes, instead of float32 in [0, 1].
    """
    planes = torch.from_numpy(np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1)))
    return planes if as_uint8 else planes.float().div_(255)
