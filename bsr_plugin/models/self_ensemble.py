"""Geometric self-ensemble: the mean over the eight flips and rotations of an image."""

from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor


def x8(infer: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
    """Averages ``infer`` over the eight symmetries of the square (EDSR+, Lim et al. 2017, section 3.4).

    One result is held beside the sum, so that this works for images that fill the memory in tiles.

    Args:
        infer: Maps (N, C, H, W) to (N, C', s H, s W), also for exchanged H and W.
        image: (N, C, H, W).

    Returns:
        (N, C', s H, s W), each result turned back before it is added.
    """
    total = None
    for transposed, flips in product((False, True), ((), (-1,), (-2,), (-2, -1))):
        turned = torch.flip(image, flips)
        turned = turned.transpose(-2, -1).contiguous() if transposed else turned
        result = infer(turned).float()
        result = result.transpose(-2, -1) if transposed else result
        result = torch.flip(result, flips)
        total = result if total is None else total.add_(result)
    assert total is not None
    return total.div_(8)
