"""Pixels of any kind through a network for RGB: 8 and 16 bits, floats, grey, alpha."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

Network = Callable[[Tensor], Tensor]

#: Bands of the images that are read: grey, grey with alpha, RGB, RGB with alpha.
BANDS = (1, 2, 3, 4)


def has_alpha(bands: int) -> bool:
    """Whether the last of so many bands is alpha."""
    return bands in (2, 4)


def white(dtype: DTypeLike) -> int:
    """The sample that stands for 1: 255, 65535, or 1 of floats."""
    kind = np.dtype(dtype)
    return int(np.iinfo(kind).max) if kind.kind == 'u' else 1


def to_tensor(pixels: NDArray) -> Tensor:
    """Pixels as networks take them, with colours multiplied by alpha.

    Multiplied so, what a transparent pixel would look like has no part in its neighbours, which is where halos come
    from; see :func:`to_pixels` for the way back.

    Args:
        pixels: (H, W, bands), RGB or grey, without or with alpha; uint8, uint16, or floats in [0, 1].

    Returns:
        (1, bands, H, W), float32, in [0, 1].
    """
    image = torch.from_numpy(pixels.astype(np.float32) / white(pixels.dtype)).movedim(-1, 0)[None]
    if has_alpha(image.size(1)):
        image = torch.cat([image[:, :-1] * image[:, -1:], image[:, -1:]], dim=1)
    return image.contiguous()


def to_pixels(image: Tensor, dtype: DTypeLike) -> NDArray:
    """Clips to [0, 1], rounds to the samples of ``dtype``, and divides colours by the alpha that is written.

    Where that is 0, colours are 0.

    Args:
        image: (1, bands, H, W), with colours multiplied by alpha.
        dtype: uint8, uint16 or a type of floats.

    Returns:
        (H, W, bands) of ``dtype``.
    """
    image = image.clamp(0, 1)
    if has_alpha(image.size(1)):
        alpha = _rounded(image[:, -1:], dtype) / white(dtype)
        colours = torch.where(alpha > 0, image[:, :-1] / alpha, 0).clamp(0, 1)
        image = torch.cat([colours, alpha], dim=1)
    return _rounded(image, dtype)[0].movedim(0, -1).contiguous().numpy().astype(dtype)


def _rounded(image: Tensor, dtype: DTypeLike) -> Tensor:
    return image if np.dtype(dtype).kind == 'f' else (image * white(dtype)).round_()


def for_all_bands(rgb: Network) -> Network:
    """Makes a network for RGB one for all numbers of bands, those that :func:`to_tensor` gives.

    Grey goes in as three equal channels, and the mean of the three comes out. Alpha goes through the network on its
    own, as grey does; where it is the same everywhere it stays so, exactly.
    """

    def network(image: Tensor) -> Tensor:
        """(1, bands, H, W) to (1, bands, sH, sW)."""
        bands = image.size(1)
        colours = rgb(image[:, :3]) if bands >= 3 else _grey(rgb, image[:, :1])
        if not has_alpha(bands):
            return colours
        alpha = image[:, -1:]
        level = alpha.flatten()[0]
        large = torch.full_like(colours[:, :1], float(level)) if bool((alpha == level).all()) else _grey(rgb, alpha)
        return torch.cat([colours, large], dim=1)

    return network


def _grey(rgb: Network, image: Tensor) -> Tensor:
    return rgb(image.expand(-1, 3, -1, -1)).mean(dim=1, keepdim=True)
