"""``torch.compile`` where it works on all ranks, the network itself where it does not."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from bsr_plugin.models.ranks import Ranks, no_gradient_sync
from bsr_plugin.models.tiling import is_out_of_memory

Result = TypeVar('Result')


class MaybeCompiled:
    """A network for training, compiled if that is asked for and possible.

    What is wrong, be it a C++ compiler that is missing or an operation that cannot be compiled, shows in the first
    forward or backward pass. So that is a rehearsal that exchanges no gradients and leaves no traces; after it the
    ranks decide together.

    The network stays as it is, and what is compiled shares its weights.
    """

    def __init__(self, net: nn.Module, enabled: bool, ranks: Ranks, logger: logging.Logger) -> None:
        self._network: Callable[..., Any] = net
        self._plain, self._rehearsed = net, not enabled
        self._ranks, self._logger = ranks, logger

    def run(self, work: Callable[[Callable[..., Any]], Result]) -> Result:
        """Calls ``work(network)``, which runs it forward and backward; the first call rehearses ``work`` before that.

        Raises:
            RuntimeError: PyTorch's out-of-memory error, which is not a failure of the compiler.
        """
        if not self._rehearsed:
            self._decide(work)
        return work(self._network)

    def _decide(self, work: Callable[[Callable[..., Any]], Any]) -> None:
        self._rehearsed = True
        failures = self._ranks.all_gather(self._rehearse(work))
        for rank, failure in enumerate(failures):
            if failure:
                where = f' on rank {rank}' if len(failures) > 1 else ''
                self._logger.warning('torch.compile failed%s; continuing in eager mode: %s', where, failure)
                self._network = self._plain
                return

    def _rehearse(self, work: Callable[[Callable[..., Any]], Any]) -> str:
        """What went wrong on this rank; empty if nothing did."""
        try:
            # Patches have one size; sizes that the compiler has seen elsewhere must not make it allow for others.
            self._network = torch.compile(self._plain, dynamic=False)
            with _without_traces(self._plain):
                work(self._network)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            return str(error).strip().partition('\n')[0] or type(error).__name__
        return ''


@contextmanager
def _without_traces(net: nn.Module) -> Iterator[None]:
    """Keeps other ranks out of what is done, and restores buffers and random numbers after it."""
    buffers = [(buffer, buffer.clone()) for buffer in net.buffers()]
    devices = [torch.cuda.current_device()] if next(net.parameters()).is_cuda else []
    try:
        with torch.random.fork_rng(devices), no_gradient_sync(net):
            if isinstance(net, DistributedDataParallel):
                net.require_forward_param_sync = False
            yield
    finally:
        if isinstance(net, DistributedDataParallel):
            net.require_forward_param_sync = True
        for buffer, value in buffers:
            buffer.copy_(value)
