"""What a training state holds, as tensors and plain containers that load without running code."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer


def plain(value: Any) -> Any:
    """Copies nested containers into dicts, lists and tuples of CPU tensors, numbers, strings and None.

    Raises:
        TypeError: Something in there is none of these.
    """
    if isinstance(value, Tensor):
        return value.detach().cpu().contiguous()
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(plain(item) for item in value)
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f'a training state cannot hold {value!r}')


def random_state() -> dict[str, Any]:
    """The states of PyTorch's, NumPy's and Python's global random generators."""
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)  # noqa: NPY002
    version, words, gauss = random.getstate()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {
        'torch': torch.get_rng_state(),
        'cuda': cuda,
        'numpy': [name, torch.from_numpy(np.asarray(keys, np.int64)), position, has_gauss, cached],
        'python': [version, list(words), gauss],
    }


def set_random_state(state: Mapping[str, Any]) -> None:
    """Goes on with the random numbers where ``random_state`` was called; other GPUs' are left alone."""
    torch.set_rng_state(state['torch'])
    for device, cuda_state in enumerate(state['cuda'][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(cuda_state, device)
    name, keys, position, has_gauss, cached = state['numpy']
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))  # noqa: NPY002
    version, words, gauss = state['python']
    random.setstate((version, tuple(words), gauss))


class RandomStream:
    """PyTorch's random numbers of the training steps, such as dropout's, kept apart from those of everything else.

    A data loader draws a seed whenever it is iterated over, a validation does so for every set: a run that is resumed
    does neither where the run before it did, and its steps would draw other numbers.
    """

    def __init__(self) -> None:
        self._state: tuple[Tensor, Tensor | None] | None = None

    @contextmanager
    def resumed(self) -> Iterator[None]:
        """Inside, random numbers go on where the last block ended; no wait for the GPU."""
        if self._state is not None:
            cpu, cuda = self._state
            torch.set_rng_state(cpu)
            if cuda is not None:
                torch.cuda.set_rng_state(cuda)
        try:
            yield
        finally:
            self.capture()

    def capture(self) -> None:
        """The next block goes on with the random numbers that would be drawn now."""
        cuda = torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None
        self._state = torch.get_rng_state(), cuda


def match_memory_format(optimizer: Optimizer) -> None:
    """Gives the moments the memory layout of the weights they belong to; fused kernels rely on that."""
    for parameter, moments in optimizer.state.items():
        for name, value in moments.items():
            if isinstance(value, Tensor) and value.dim() > 0 and value.shape == parameter.shape:
                moments[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
