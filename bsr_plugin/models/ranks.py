"""Collective communication between the ranks of a job that does not touch the GPUs' streams."""

from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from functools import cache
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

#: Rank 0 validates alone while the others wait. They wait here, where nothing times out after minutes as in NCCL; a
#: process that dies ends the waiting at once.
TIMEOUT = timedelta(days=7)


def no_gradient_sync(net: nn.Module) -> AbstractContextManager[Any]:
    """Lets the backward passes in the block add to the gradients of this rank alone."""
    return net.no_sync() if isinstance(net, DistributedDataParallel) else nullcontext()


class Ranks:
    """A second process group, over gloo: for small messages on the CPU, not gradients. Also works without a group.

    Attributes:
        rank: Rank of this process.
        size: Number of ranks.
    """

    def __init__(self) -> None:
        self.rank, self.size = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        self._group = dist.new_group(backend='gloo', timeout=TIMEOUT) if dist.is_initialized() else None
        self._asked: tuple[dist.Work, torch.Tensor] | None = None

    def barrier(self) -> None:
        """Returns when every rank has called it."""
        if self._group is not None:
            dist.barrier(group=self._group)

    def all_gather(self, value: Any) -> list[Any]:
        """The ``value`` of every rank, in their order."""
        if self._group is None:
            return [value]
        values = [None] * dist.get_world_size()
        dist.all_gather_object(values, value, group=self._group)
        return values

    def max(self, value: int) -> int:
        """The largest ``value`` of all ranks."""
        return max(self.max_of_previous_call(value), self._answer())

    def max_of_previous_call(self, value: int) -> int:
        """The largest ``value`` that was passed to the previous call by any rank, 0 in the first call.

        The answer, the same on all ranks, has had a whole iteration to arrive, so that nobody waits for it. On its own
        a process gets ``value`` back at once.
        """
        if self._group is None:
            return value
        answer, number = self._answer(), torch.tensor([value])
        self._asked = dist.all_reduce(number, dist.ReduceOp.MAX, group=self._group, async_op=True), number
        return answer

    def _answer(self) -> int:
        if self._asked is None:
            return 0
        (work, number), self._asked = self._asked, None
        work.wait()
        return int(number)


def ranks() -> Ranks:
    """The ranks of this job, as one group for all who only gather at its start: groups last as long as the job."""
    return _ranks_of(dist.group.WORLD if dist.is_initialized() else None)


@cache
def _ranks_of(_world: dist.ProcessGroup | None) -> Ranks:
    return Ranks()
