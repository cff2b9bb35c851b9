"""Stops a run whose loss or weights are no longer finite, without waiting for the GPU in every iteration."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from bsr_plugin.models.failures import NonFiniteError


class _Step(NamedTuple):
    iteration: int
    losses: dict[str, Tensor]
    rate: float
    batch_is_finite: Tensor
    paths: Sequence[str]

    def problem(self, first_remedy: str) -> str:
        """One sentence if a loss is not finite, else an empty string."""
        values = {name: float(loss) for name, loss in self.losses.items()}
        wrong = [f'{name} is {value}' for name, value in values.items() if not math.isfinite(value)]
        if not wrong:
            return ''
        sentence = f'iteration {self.iteration}: {", ".join(wrong)} at a learning rate of {self.rate:g}; '
        images = ', '.join(self.paths) or 'unknown images'
        if self.batch_is_finite:
            remedies = f'{first_remedy}lower train.optim_g.lr or set train.grad_clip'
            return f'{sentence}the batch is finite, so {remedies} (batch: {images})'
        return f'{sentence}the batch itself holds NaN or infinity, look at {images}'


class LossWatch:
    """Remembers the losses of the last iterations on their device and looks at them together.

    Args:
        interval: Iterations between two looks; 1 looks at once, which costs nothing on a CPU.
        amp: Mixed precision of the forward pass, for the advice: fp16 ends at 65,504.
    """

    def __init__(self, interval: int, amp: str | None = None) -> None:
        self.interval = interval
        self._first_remedy = 'set train.amp to bf16 or ~, whose range is larger, ' if amp == 'fp16' else ''
        self._unseen: list[_Step] = []

    def add(
        self, iteration: int, losses: Mapping[str, Tensor], rate: float, batch: Iterable[Tensor], paths: Sequence[str]
    ) -> None:
        """Notes the losses of an iteration (from 1) by term and what they come from, for ``check`` to look at.

        That is the learning rate, the images that the network was fed and compared with, and the paths of these.
        """
        detached = {name: loss.detach().mean() for name, loss in losses.items()}
        self._unseen.append(_Step(iteration, detached, rate, _finite(batch), paths))
        if len(self._unseen) >= self.interval:
            self.check()

    def check(self) -> None:
        """Looks at all losses since the last check.

        Raises:
            NonFiniteError: A loss is NaN or infinite. The message names the first such iteration, the terms, the
                learning rate and the images, and says whether these were finite.
        """
        steps, self._unseen = self._unseen, []
        if all_finite(loss for step in steps for loss in step.losses.values()):
            return
        raise NonFiniteError(next(filter(None, (step.problem(self._first_remedy) for step in steps))))


def all_finite(tensors: Iterable[Tensor]) -> bool:
    """Whether no value in any of the tensors is NaN or infinite; waits once, for all of them."""
    return bool(_finite(tensors))


def _finite(tensors: Iterable[Tensor]) -> Tensor:
    flags = [torch.isfinite(tensor).all() for tensor in tensors if tensor.is_floating_point()]
    return torch.stack(flags).all() if flags else torch.tensor(True)
