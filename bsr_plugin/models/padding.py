"""Images padded to a multiple of the window that a network works in, and its results cropped again.

SwinIR and its kin divide an image into square windows and refuse one that does not divide evenly.
"""

from collections.abc import Mapping
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn

#: RRDBNet folds its input for factors below 4: factor -> LR pixels on a side that become one.
_FOLDED_BY_RRDBNET: Mapping[int, int] = {1: 4, 2: 2}


def multiple_wanted_by(network: nn.Module, arguments: Mapping[str, Any]) -> int:
    """The number of LR pixels that height and width must be a multiple of, as far as a network tells.

    That is its ``window_size``: an attribute, as HAT has it, or an argument, as of BasicSR's SwinIR; for RRDBNet what
    it folds; 1 for all others.

    Args:
        network: The network.
        arguments: What it was made with, such as a section ``network_g``; the others have their defaults.
    """
    window = getattr(network, 'window_size', arguments.get('window_size', _default_window(type(network))))
    if isinstance(window, int) and window > 0:
        return window
    return _FOLDED_BY_RRDBNET.get(getattr(network, 'scale', 4), 1) if type(network).__name__ == 'RRDBNet' else 1


def _default_window(network: type[nn.Module]) -> Any:
    argument = signature(network).parameters.get('window_size')
    return argument and argument.default


def padded(image: Tensor, multiple: int) -> Tensor:
    """Reflects an image (N, C, H, W) beyond its right and lower edge until both sides are multiples of ``multiple``.

    The edge itself is not repeated, as in ``torch.nn.functional.pad`` with ``mode='reflect'``, and an image smaller
    than its padding is reflected to and fro. An image whose sides are multiples is returned as it is.
    """
    for axis in (-2, -1):
        length = image.size(axis)
        if missing := -length % multiple:
            image = image.index_select(axis, _reflected(length, length + missing).to(image.device))
    return image


def cropped(result: Tensor, image: Tensor, padded_image: Tensor) -> Tensor:
    """The part of a network's result for ``padded_image`` that belongs to ``image``; results are s times as large."""
    if padded_image.shape == image.shape:
        return result
    scale = result.size(-1) // padded_image.size(-1)
    return result[..., : scale * image.size(-2), : scale * image.size(-1)]


def _reflected(length: int, padded_length: int) -> Tensor:
    """Which of ``length`` pixels stands at each of the padded axis: 0 1 2 1 0 1 2 ..."""
    period = max(1, 2 * (length - 1))
    positions = torch.arange(padded_length) % period
    return torch.minimum(positions, period - positions)
