"""How large the losses of each interval of samples are, which importance sampling of the next epoch goes by."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bsr_plugin.models.ranks import Ranks

#: What an epoch weighs when the next one is over.
_MEMORY = 0.5


class IntervalLosses:
    """Root mean square of the losses of an interval, over the epochs that are over, each half as much as the next.

    What an epoch collects counts when the next one begins, so that everything is the same during an epoch whatever is
    drawn in advance. The collected sums stay on the device, and apart for each rank, until then.

    Args:
        intervals: Number of intervals p.
        ranks: All ranks of the run, which count together.
        device: Where the losses are.
    """

    def __init__(self, intervals: int, ranks: Ranks, device: torch.device) -> None:
        self._ranks = ranks
        self._numbers = torch.arange(intervals, device=device)
        self._epoch = 0
        #: (2, p) sums of squares and numbers of samples: of the epochs that are over, and of this rank in this one.
        self._over = torch.zeros(2, intervals, dtype=torch.float64)
        self._collected = self._over.to(device)

    def add(self, intervals: Tensor, losses: Tensor) -> None:
        """Collects losses, without waiting for the GPU.

        Args:
            intervals: (N,) interval of each sample.
            losses: (N,) loss of each sample.
        """
        # Sums of a fixed order, which index_add_ on a GPU does not have.
        belongs = self._numbers[:, None] == intervals
        squares = losses.detach().double().square()
        self._collected = self._collected + torch.stack([(belongs * squares).sum(1), belongs.sum(1)])

    def begin_epoch(self, epoch: int) -> NDArray[np.float64]:
        """What holds in an epoch; all ranks call this, and get the same.

        In a run that is resumed in the middle of an epoch, that is what held before.

        Args:
            epoch: The epoch, counted from 0.

        Returns:
            (p,) root mean squares, NaN where there are no losses.
        """
        if epoch != self._epoch:
            self._over = sum(self._of_all_ranks(), start=_MEMORY * self._over)
            self._collected = torch.zeros_like(self._collected)
            self._epoch = epoch
        squares, numbers = self._over
        return (squares / numbers).sqrt().numpy()

    def _of_all_ranks(self) -> list[Tensor]:
        """What each rank has collected."""
        return self._ranks.all_gather(self._collected.cpu())

    def state_dict(self) -> dict[str, Any]:
        """The epoch, what holds in it, and what each rank has collected; all ranks call this."""
        return {'epoch': self._epoch, 'over': self._over, 'collected': self._of_all_ranks()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on with saved losses; without any, or with those of another number of intervals, starts anew.

        Other ranks than before share what all of them had collected.
        """
        if not state or state['over'].shape != self._over.shape:
            return
        self._epoch, self._over = state['epoch'], state['over']
        nothing = torch.zeros_like(self._over)
        self._collected = sum(state['collected'][self._ranks.rank :: self._ranks.size], start=nothing).to(
            self._collected.device
        )
