"""How much of each FMG output reaches the reconstruction: the "light spatial attention" of section III-C."""

from typing import cast

import torch
from torch import Tensor, nn

from bsr_plugin.errors import InputError


class Attention(nn.Module):
    """The weight A of an FMG output F in the concatenation; A = 1 here."""

    #: A of a new network.
    initial_weight = 1.0

    def weight(self, feature: Tensor) -> Tensor:
        """(N, num_feat, H, W) to A, (N or 1, 1, H or 1, W or 1), in the same type."""
        return torch.ones(1, 1, 1, 1, dtype=feature.dtype, device=feature.device)

    def forward(self, feature: Tensor) -> Tensor:
        """A * F."""
        return feature


class SpatialAttention(Attention):
    """A = sigmoid(conv(F)): one weight in (0, 1) per pixel, shared by all channels."""

    initial_weight = 0.5

    def __init__(self, num_feat: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(num_feat, 1, 3, 1, 1)
        # A = 1/2 everywhere at first, so that no region is shut out before anything is learned.
        nn.init.zeros_(self.conv.weight)
        nn.init.zeros_(cast(Tensor, self.conv.bias))

    def weight(self, feature: Tensor) -> Tensor:
        """A, (N, 1, H, W)."""
        return torch.sigmoid(self.conv(feature))

    def forward(self, feature: Tensor) -> Tensor:
        """A * F."""
        return feature * self.weight(feature)


class ScalarAttention(Attention):
    """A = sigmoid(a): one learned weight in (0, 1) for the whole feature map."""

    initial_weight = 0.5

    def __init__(self) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.zeros(1, 1, 1, 1))

    def weight(self, feature: Tensor) -> Tensor:
        """A, (1, 1, 1, 1)."""
        # In the features' type, or it would widen what autocast has made narrow.
        return torch.sigmoid(self.logit).to(feature.dtype)

    def forward(self, feature: Tensor) -> Tensor:
        """A * F."""
        return feature * self.weight(feature)


def attention_of(kind: str, num_feat: int) -> Attention:
    """A new attention: ``'spatial'``, ``'scalar'`` or ``'none'``.

    Raises:
        InputError: There is no such kind.
    """
    if kind == 'spatial':
        return SpatialAttention(num_feat)
    if kind == 'scalar':
        return ScalarAttention()
    if kind == 'none':
        return Attention()
    raise InputError(f"attention is {kind!r}: use 'spatial', 'scalar' or 'none'")
