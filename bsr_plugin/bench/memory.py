"""Memory of work in a process of its own, where nothing else has left its mark."""

import multiprocessing
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

STEPS = 3
Result = TypeVar('Result')


def in_own_process(function: Callable[..., Result], *arguments: Any) -> Result:
    """Calls a function of a module in a process that is started for it."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context('spawn')) as executor:
        return executor.submit(function, *arguments).result()


def own_memory(file: str, entry: str) -> float:
    """An entry of a file of ``/proc/self`` in bytes; NaN where the system is not Linux."""
    path = Path('/proc/self', file)
    lines = path.read_text().splitlines() if path.is_file() else [f'{entry}: nan']
    return next(float(line.split()[1]) for line in lines if line.startswith(f'{entry}:')) * 1024


def peak_memory_mb(opt: Mapping[str, Any], batch: Mapping[str, Tensor]) -> float:
    """Trains for a few iterations and gives the peak in units of 10^6 bytes, without what was there before the model.

    On a GPU it is PyTorch's count of the GPU's memory, else the resident memory of the process, which only Linux
    tells; elsewhere NaN.
    """
    arrays = {side: image.numpy() for side, image in batch.items()}
    return in_own_process(_peak, dict(opt), arrays, torch.get_num_threads())


def _peak(opt: dict[str, Any], arrays: dict[str, Any], threads: int) -> float:
    from basicsr.models import build_model

    import bsr_plugin  # noqa: F401  # registers what the options name

    torch.set_num_threads(threads)
    # As BasicSR's training does it; its workspaces count.
    torch.backends.cudnn.benchmark = True
    batch = {side: torch.from_numpy(array) for side, array in arrays.items()}
    before = own_memory('status', 'VmRSS')
    model = build_model(opt)
    for iteration in range(1, STEPS + 1):
        model.update_learning_rate(iteration)
        model.feed_data(batch)
        model.optimize_parameters(iteration)
    if model.device.type == 'cuda':
        return torch.cuda.max_memory_allocated() / 1e6
    return (own_memory('status', 'VmHWM') - before) / 1e6
