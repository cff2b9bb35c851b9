"""What training makes of the PIC intervals, for TensorBoard: how often each is drawn, and how large its loss is."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from bsr_plugin.models.ranks import Ranks
from bsr_plugin.models.sample_losses import SampleLosses
from bsr_plugin.pic.intervals import MAX_BINS


class IntervalMonitor:
    """Collects the losses of samples by interval on their device, and writes them at validations.

    Args:
        loss: The pixel loss, as :class:`SampleLosses` takes it.
        ranks: All ranks of the run, which count together.
        device: Where the losses are.

    Raises:
        InputError: The loss does not give a value for every pixel.
    """

    def __init__(self, loss: nn.Module, ranks: Ranks, device: torch.device) -> None:
        self._losses = SampleLosses(loss, device, 'logger.tb_intervals')
        self._ranks = ranks
        self._numbers = torch.arange(MAX_BINS, device=device)
        #: Sums of losses, and numbers of samples, of as many intervals as there can be: none has to be looked for.
        self._sums = torch.zeros(2, MAX_BINS, dtype=torch.float64, device=device)
        self._of_batch = torch.zeros_like(self._sums)

    def begin(self) -> None:
        """Forgets what has been added of a batch, which is computed anew."""
        self._of_batch = torch.zeros_like(self._sums)

    @torch.no_grad()
    def add(self, intervals: Tensor, pred: Tensor, target: Tensor) -> None:
        """Adds the losses of a micro-batch to those of the batch, without waiting for the GPU.

        Args:
            intervals: (N,) interval of each sample.
            pred: (N, C, H, W) network output.
            target: Ground truth, the same shape.
        """
        losses = self._losses(pred, target).double()
        belongs = self._numbers[:, None] == intervals
        self._of_batch += torch.stack([(belongs * losses).sum(1), belongs.sum(1)])

    def collect(self) -> None:
        """Counts the losses of the batch, once they have all been computed."""
        self._sums += self._of_batch

    def state_dict(self) -> dict[str, Any]:
        """What each rank has collected; all ranks call this."""
        return {'sums': self._ranks.all_gather(self._sums.cpu())}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on with what was collected, if anything; other ranks than before share what all of them had."""
        of_rank = state.get('sums', [])[self._ranks.rank :: self._ranks.size]
        self._sums = sum(of_rank, start=torch.zeros_like(self._sums.cpu())).to(self._sums.device)

    def write(self, writer: Any | None, iteration: int) -> None:
        """Writes what has been collected since the last call, and begins anew; all ranks call this.

        An interval k has the tags ``intervals/share/k``, the share of the samples, and ``intervals/loss/k``, the mean
        of their losses without weights; there is none for an interval without samples.

        Args:
            writer: TensorBoard's ``SummaryWriter``; ``None`` on ranks that have none.
            iteration: The iteration that is validated.
        """
        losses, numbers = sum(self._ranks.all_gather(self._sums.cpu()), start=torch.zeros(2, MAX_BINS))
        self._sums = torch.zeros_like(self._sums)
        if writer is None:
            return
        for interval in numbers.nonzero().flatten().tolist():
            label = f'{interval:02}'
            writer.add_scalar(f'intervals/share/{label}', float(numbers[interval] / numbers.sum()), iteration)
            writer.add_scalar(f'intervals/loss/{label}', float(losses[interval] / numbers[interval]), iteration)
