"""A pixel loss with a value for every sample of a batch."""

from copy import copy
from typing import Any

import torch
from torch import Tensor, nn

from bsr_plugin.errors import InputError


class SampleLosses:
    """The values of a pixel loss sample by sample, reduced over a sample's pixels as the loss reduces a batch.

    Args:
        loss: The pixel loss, of the toolbox's form: an attribute ``reduction``, ``'mean'`` or ``'sum'``, that can be
            ``'none'`` as well. It is not changed.
        device: Where the batches are.
        asked_by: Names the option that needs this, in the error.

    Raises:
        InputError: The loss does not give a value for every pixel.
    """

    def __init__(self, loss: nn.Module, device: torch.device, asked_by: str) -> None:
        self._of_pixels = _elementwise(loss, device, asked_by)
        self._is_mean = loss.reduction == 'mean'

    def __call__(self, pred: Tensor, target: Tensor) -> Tensor:
        """The (N,) losses of a batch (N, C, H, W)."""
        return self.reduced(self._of_pixels(pred, target).flatten(1), 1)

    def terms(self, pred: Tensor, target: Tensor) -> dict[str, Tensor]:
        """The (N,) losses by term: those that the loss has, or ``l_pix``. They add up to the losses."""
        if not hasattr(self._of_pixels, 'terms'):
            return {'l_pix': self(pred, target)}
        return {name: self.reduced(term.flatten(1), 1) for name, term in self._of_pixels.terms(pred, target).items()}

    def reduced(self, values: Tensor, dim: int) -> Tensor:
        """The mean over a dimension, or the sum, as the loss reduces."""
        return values.mean(dim) if self._is_mean else values.sum(dim)


def _elementwise(loss: nn.Module, device: torch.device, asked_by: str) -> Any:
    name = type(loss).__name__
    refusal = InputError(
        f'train.pixel_opt: {name} gives no loss for each sample, which {asked_by} needs: use one with reduction none, '
        'such as L1Loss, or do without.'
    )
    if getattr(loss, 'reduction', None) not in ('mean', 'sum'):
        raise refusal
    of_pixels: Any = copy(loss)
    of_pixels.reduction = 'none'
    images = torch.zeros(2, 3, 8, 8, device=device)
    try:
        gives_pixels = of_pixels(images, images).shape == images.shape
    except (TypeError, ValueError, RuntimeError) as error:
        raise refusal from error
    if not gives_pixels:
        raise refusal
    return of_pixels
