"""Geometric self-ensemble: the mean over the eight flips and rotations of an image."""

from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor


def x8(infer: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
    """Averages ``infer`` over the eight symmetries of the square (EDSR+, Lim et al. 2017, section 3.4).

    The sum is kept on the CPU: a GPU holds one result at a time, and may run out of memory in any of the passes.

    Args:
        infer: Maps (N, C, H, W) to (N, C', s H, s W), also for exchanged H and W, on any device.
        image: (N, C, H, W).

    Returns:
        (N, C', s H, s W), float32, on the CPU.
    """
    total = torch.zeros(())
    for transposed, flips in product((False, True), ((), (-1,), (-2,), (-2, -1))):
        turned = torch.flip(image, flips)
        turned = turned.transpose(-2, -1).clone(memory_format=torch.contiguous_format) if transposed else turned
        result = infer(turned).float().cpu()
        result = result.transpose(-2, -1) if transposed else result
        total = total + torch.flip(result, flips)
    return total.div_(8)
