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
    paths: Sequence[str]


class LossWatch:
    """Remembers the losses of the last iterations on their device and looks at them together.

    Args:
        interval: Iterations between two looks; 1 looks at once, which costs nothing on a CPU.
    """

    def __init__(self, interval: int) -> None:
        self.interval = interval
        self._unseen: list[_Step] = []

    def add(self, iteration: int, losses: Mapping[str, Tensor], paths: Sequence[str]) -> None:
        """Notes the losses of an iteration and the images they come from; checks them when it is time.

        Raises:
            NonFiniteError: As ``check``.
        """
        detached = {name: loss.detach().mean() for name, loss in losses.items()}
        self._unseen.append(_Step(iteration, detached, paths))
        if len(self._unseen) >= self.interval:
            self.check()

    def check(self) -> None:
        """Looks at all losses since the last check.

        Raises:
            NonFiniteError: A loss is NaN or infinite. The message names the first such iteration, the terms and the
                images of its batch.
        """
        steps, self._unseen = self._unseen, []
        if not steps or all_finite(loss for step in steps for loss in step.losses.values()):
            return
        for step in steps:
            values = {name: float(loss) for name, loss in step.losses.items()}
            wrong = [f'{name} is {value}' for name, value in values.items() if not math.isfinite(value)]
            if wrong:
                images = ', '.join(step.paths) or 'unknown images'
                raise NonFiniteError(f'iteration {step.iteration}: {", ".join(wrong)} for the batch of {images}')


def all_finite(tensors: Iterable[Tensor]) -> bool:
    """Whether no value in any of the tensors is NaN or infinite; waits once, for all of them."""
    flags = [torch.isfinite(tensor).all() for tensor in tensors if tensor.is_floating_point()]
    return not flags or bool(torch.stack(flags).all())
