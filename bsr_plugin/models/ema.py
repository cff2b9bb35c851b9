"""Exponential moving average of a network: with warm-up, and over everything the network's output depends on."""

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


def warmed_up(decay: float, updates: int) -> float:
    """The decay to use after ``updates`` updates: min(decay, (1 + n) / (10 + n)).

    Without it, a decay of 0.999 keeps more than a third of the initial weights for a thousand iterations.
    """
    return min(decay, (1 + updates) / (10 + updates))


class MovingAverage:
    """Keeps the weights and buffers of ``average`` as the moving average of those of ``source``.

    The networks are built alike. Integer buffers, such as counts, are copied.
    """

    def __init__(self, average: nn.Module, source: nn.Module) -> None:
        self.updates = 0
        tensors = ([*net.parameters(), *net.buffers()] for net in (average, source))
        pairs = list(zip(*tensors, strict=True))
        self._averaged = [pair for pair in pairs if pair[0].is_floating_point()]
        self._copied = [pair for pair in pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def copy(self) -> None:
        """Sets the average to the network in training."""
        for average, source in self._averaged + self._copied:
            average.copy_(source)

    @torch.no_grad()
    def update(self, decay: float) -> None:
        """Sets average to d * average + (1 - d) * source, with d = ``warmed_up(decay, updates so far)``."""
        averages, sources = map(list, zip(*self._averaged, strict=True))
        get_ema_multi_avg_fn(warmed_up(decay, self.updates))(averages, sources, self.updates)
        for average, source in self._copied:
            average.copy_(source)
        self.updates += 1

    def state_dict(self) -> dict[str, int]:
        """How far the warm-up is."""
        return {'updates': self.updates}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Goes on with the warm-up; a state without it starts it anew."""
        self.updates = state.get('updates', 0)
