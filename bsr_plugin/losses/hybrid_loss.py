"""HybridL1L2LpLoss: the loss of section III-D, f = L2 + a L1 + b Lp."""

from typing import Literal

import torch
from basicsr.losses.loss_util import weight_reduce_loss
from basicsr.utils.registry import LOSS_REGISTRY
from torch import Tensor, nn

from bsr_plugin.errors import InputError, is_number

REDUCTIONS = ('none', 'mean', 'sum')
SMALLEST_EPS = 1e-12


@LOSS_REGISTRY.register()
class HybridL1L2LpLoss(nn.Module):
    """Hybrid loss (the objective of section III-D; the slides give f and p = 0.5).

    With d = pred - target, element by element::

        f = loss_weight * (l2_weight d^2 + l1_weight |d| + lp_weight ((d^2 + eps^2)^(p/2) - eps^p))

    f is 0 where d is 0. The Lp term is smoothed by ``eps``: ``|d|^p`` has an infinite slope at 0, the smoothed term's
    slope is 0 there and nowhere above p eps^(p-1). Everything is computed in float32 whatever autocast is in force,
    float64 stays float64.

    The paper gives no weights. The defaults are chosen by what each term adds to the gradient of a pixel whose error
    is d, images in [0, 1]: ``2 |d|`` from L2, a from L1, ``b |d|^(-1/2) / 2`` from Lp. With a = 0.1 and b = 0.01, L2
    leads for errors above 0.05 (13 of 255 grey levels), L1 between, Lp below 0.0025 (0.6 grey levels); L2 and Lp pull
    alike at 0.018 (5 grey levels), the mean error of a good x4 network. Their sum stays between 0.16 and 0.32 for every
    ``|d|`` from 0.001 to 0.1: small errors in texture and large ones at edges count alike, which is the balance the
    paper asks for. For images in another range than [0, 1], scale a with the range and b with its power 3/2, and eps
    with it.

    Args:
        loss_weight: Factor of the whole loss, above 0.
        l2_weight: Weight of the mean squared error; 0 leaves the term out.
        l1_weight: Weight of the mean absolute error, a; 0 leaves the term out.
        lp_weight: Weight of the smoothed Lp term, b; 0 leaves the term out.
        p: Exponent of the Lp term, in (0, 1].
        eps: Error below which the Lp term turns quadratic, in the unit of the images; at least 1e-12.
        reduction: ``'none'``, ``'mean'`` or ``'sum'``, as in BasicSR's losses.

    Raises:
        InputError: An argument is out of its range; the message names it and what would be accepted.
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        l2_weight: float = 1.0,
        l1_weight: float = 0.1,
        lp_weight: float = 0.01,
        p: float = 0.5,
        eps: float = 1e-3,
        reduction: Literal['none', 'mean', 'sum'] = 'mean',
    ) -> None:
        super().__init__()
        weights = {'l2_weight': l2_weight, 'l1_weight': l1_weight, 'lp_weight': lp_weight}
        for name, weight in weights.items():
            if not is_number(weight) or weight < 0:
                raise InputError(f'{name} is {weight!r}: use a number of at least 0')
        if not any(weights.values()):
            raise InputError('l2_weight, l1_weight and lp_weight are all 0: give at least one term a weight above 0')
        if not is_number(loss_weight) or loss_weight <= 0:
            raise InputError(f'loss_weight is {loss_weight!r}: use a number above 0, or leave the loss out')
        if not is_number(p) or not 0 < p <= 1:
            raise InputError(f'p is {p!r}: use a number above 0 and at most 1')
        if not is_number(eps) or eps < SMALLEST_EPS:
            raise InputError(f'eps is {eps!r}: use a number of at least {SMALLEST_EPS}, such as 0.001')
        if reduction not in REDUCTIONS:
            raise InputError(f"reduction is {reduction!r}: use 'none', 'mean' or 'sum'")
        self.loss_weight = loss_weight
        self.l2_weight = l2_weight
        self.l1_weight = l1_weight
        self.lp_weight = lp_weight
        self.p = p
        self.eps = eps
        self.reduction = reduction

    def forward(self, pred: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """The loss f, the sum of ``terms``.

        Args:
            pred: Network output, (N, C, H, W).
            target: Ground truth, the same shape.
            weight: Element-wise weight, (N, C, H, W) or (N, 1, H, W). With ``'mean'`` the sum is divided by the sum
                of the weights.

        Returns:
            A number, or (N, C, H, W) with ``reduction='none'``; float32, or float64 if an input is.

        Raises:
            InputError: The shapes do not match.
        """
        first, *others = self.terms(pred, target, weight).values()
        return sum(others, start=first)

    def terms(self, pred: Tensor, target: Tensor, weight: Tensor | None = None) -> dict[str, Tensor]:
        """What each term adds to the loss, its weight included.

        Args:
            pred: As in ``forward``.
            target: As in ``forward``.
            weight: As in ``forward``.

        Returns:
            ``l_l2``, ``l_l1`` and ``l_lp``, without those whose weight is 0, which are not computed. They add up to
            ``forward``'s result.

        Raises:
            InputError: The shapes do not match.
        """
        _check_shapes(pred, target, weight)
        dtype = torch.promote_types(torch.promote_types(pred.dtype, target.dtype), torch.float32)
        difference = pred.to(dtype) - target.to(dtype)
        weight = weight if weight is None else weight.to(dtype)
        losses = {}
        if self.l2_weight:
            losses['l_l2'] = self.l2_weight * weight_reduce_loss(difference.square(), weight, self.reduction)
        if self.l1_weight:
            losses['l_l1'] = self.l1_weight * weight_reduce_loss(difference.abs(), weight, self.reduction)
        if self.lp_weight:
            losses['l_lp'] = self.lp_weight * weight_reduce_loss(self._smooth_power(difference), weight, self.reduction)
        return {name: self.loss_weight * loss for name, loss in losses.items()}

    def _smooth_power(self, difference: Tensor) -> Tensor:
        """(d^2 + eps^2)^(p/2) - eps^p, as eps^p ((1 + (d/eps)^2)^(p/2) - 1).

        Written with expm1 and log1p it is exactly 0 at d = 0 and loses no digits near it, where the difference of two
        powers would.
        """
        ratio = (difference / self.eps).square()
        return self.eps**self.p * torch.expm1(0.5 * self.p * torch.log1p(ratio))


def _check_shapes(pred: Tensor, target: Tensor, weight: Tensor | None) -> None:
    if pred.shape != target.shape:
        raise InputError(f'pred has shape {list(pred.shape)}, target {list(target.shape)}: they must be equal')
    if weight is None:
        return
    one_channel = [*pred.shape[:1], 1, *pred.shape[2:]]
    if list(weight.shape) not in ([*pred.shape], one_channel):
        raise InputError(f'weight has shape {list(weight.shape)}: use {list(pred.shape)} or {one_channel}')
