"""A pixel loss in which every sample has a weight of its own."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from bsr_plugin.models.interval_losses import IntervalLosses
from bsr_plugin.models.sample_losses import SampleLosses


class SampleWeighting:
    """Multiplies the pixel loss of every sample by its weight, and collects the losses by interval.

    The loss of a batch is the mean of w_i l_i (the sum, for ``reduction: sum``). The argument ``weight`` of the
    toolbox's losses would divide by the sum of the weights instead, and so be biased.

    Args:
        loss: The pixel loss, as :class:`SampleLosses` takes it.
        interval_losses: Collects the losses, without their weights.
        device: Where the batches are.

    Raises:
        InputError: The loss does not give a value for every pixel.
    """

    def __init__(self, loss: nn.Module, interval_losses: IntervalLosses, device: torch.device) -> None:
        self._losses = SampleLosses(loss, device, "sampling 'importance'")
        self._interval_losses = interval_losses
        self._device = device
        self._weights, self._intervals = torch.empty(0), torch.empty(0)
        self._seen: list[Tensor] = []

    def feed(self, batch: Mapping[str, Any]) -> None:
        """Takes ``pic_weight`` and ``pic_bin`` of a batch, (N,), to the device."""
        self._weights = batch['pic_weight'].to(self._device, torch.float32, non_blocking=True)
        self._intervals = batch['pic_bin'].to(self._device, non_blocking=True)

    def begin(self) -> Tensor:
        """The (N,) weights of the batch, whose losses are computed next."""
        self._seen = []
        return self._weights

    def terms(self, pred: Tensor, target: Tensor, weights: Tensor) -> dict[str, Tensor]:
        """The weighted loss by term.

        Args:
            pred: (N, C, H, W) network output.
            target: Ground truth, the same shape.
            weights: (N,) weight of each sample.

        Returns:
            The terms that the loss has, or ``l_pix``; numbers, which add up to the loss.
        """
        of_samples = self._losses.terms(pred, target)
        self._seen.append(torch.stack([*of_samples.values()]).detach().sum(0))
        return {name: self._losses.reduced(weights * each, 0) for name, each in of_samples.items()}

    def collect(self) -> None:
        """Counts the losses of the batch, once they have all been computed."""
        self._interval_losses.add(self._intervals, torch.cat(self._seen))
