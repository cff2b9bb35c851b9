"""``torch.compile`` where it works, the network itself where it does not."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import nn

Result = TypeVar('Result')


class MaybeCompiled:
    """A network for training, compiled if that is asked for and possible.

    What is wrong shows in the first forward or backward pass, and can be anything: no C++ compiler, a Python that
    the compiler does not know, an operation it cannot handle.

    Args:
        net: The network; it stays as it is, and what is compiled shares its weights.
        enabled: Whether to compile.
        logger: Where it is reported that compiling failed.
    """

    def __init__(self, net: nn.Module, enabled: bool, logger: logging.Logger) -> None:
        self._plain = net
        self._logger = logger
        self._works = not enabled
        self._network: Callable[..., Any] = net
        if enabled:
            self._works_or_plain(self._compile)

    def _compile(self) -> None:
        # Training patches have one size; sizes that the compiler has seen elsewhere must not make it allow for others.
        self._network = torch.compile(self._plain, dynamic=False)

    def run(self, work: Callable[[Callable[..., Any]], Result]) -> Result:
        """Calls ``work(network)``; if the first call fails with the compiled network, repeats it with the plain one."""
        if not self._works:
            results: list[Result] = []
            if self._works_or_plain(lambda: results.append(work(self._network))):
                self._works = True
                return results[0]
        return work(self._network)

    def _works_or_plain(self, attempt: Callable[[], None]) -> bool:
        try:
            attempt()
        except Exception as error:
            self._network, self._works = self._plain, True
            reason = str(error).strip().partition('\n')[0]
            self._logger.warning('torch.compile failed, training goes on without it: %s', reason)
            return False
        return True
