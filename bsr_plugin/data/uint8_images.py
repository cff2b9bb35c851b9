"""Images that are integers until they are on the device, a quarter of the bytes to carry there."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data._utils.collate import default_collate_fn_map


class UInt8Images:
    """8-bit images on their way to a device, where they arrive as floats.

    Not a tensor, so that no engine computes with 0..255 by mistake: every engine of the toolbox takes what a data set
    gives to its device by ``to``, which here makes floats of it.

    Args:
        integers: (..., H, W) uint8; its memory is shared.
    """

    def __init__(self, integers: Tensor) -> None:
        self.integers = integers

    def to(self, device: torch.device | str | int, non_blocking: bool = False) -> Tensor:
        """The images on a device, float32 in [0, 1]; integers are what is transferred."""
        return self.integers.to(device, non_blocking=non_blocking).to(torch.float32).div_(255)

    def pin_memory(self) -> 'UInt8Images':
        """The images in pinned memory, from which they can be transferred while a GPU computes."""
        return UInt8Images(self.integers.pin_memory())

    def unbind(self) -> list['UInt8Images']:
        """The images of a batch, one by one; views of it."""
        return [UInt8Images(image) for image in self.integers.unbind()]


def _collate(images: Sequence[UInt8Images], *, collate_fn_map: Mapping[Any, Any] | None = None) -> UInt8Images:
    return UInt8Images(torch.stack([image.integers for image in images]))


default_collate_fn_map[UInt8Images] = _collate
