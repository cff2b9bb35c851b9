"""Peak memory of a training step, in a process of its own, where nothing else has left its mark."""

import multiprocessing
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

STEPS = 3


def peak_memory_mb(opt: Mapping[str, Any], batch: Mapping[str, Tensor]) -> float:
    """Trains for a few iterations and gives the peak in units of 10^6 bytes, without what was there before the model.

    On a GPU it is PyTorch's count of the GPU's memory, else the resident memory of the process, which only Linux
    tells; elsewhere NaN.

    Args:
        opt: Options of the model.
        batch: What it trains on.
    """
    arrays = {side: image.numpy() for side, image in batch.items()}
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context('spawn')) as executor:
        return executor.submit(_measure, dict(opt), arrays, torch.get_num_threads()).result()


def _measure(opt: dict[str, Any], arrays: dict[str, Any], threads: int) -> float:
    from basicsr.models import build_model

    import bsr_plugin  # noqa: F401  # registers what the options name

    torch.set_num_threads(threads)
    batch = {side: torch.from_numpy(array) for side, array in arrays.items()}
    before = _resident('VmRSS')
    model = build_model(opt)
    for iteration in range(1, STEPS + 1):
        model.update_learning_rate(iteration)
        model.feed_data(batch)
        model.optimize_parameters(iteration)
    if model.device.type == 'cuda':
        return torch.cuda.max_memory_allocated() / 1e6
    return (_resident('VmHWM') - before) / 1e6


def _resident(entry: str) -> float:
    """``VmRSS``, now, or ``VmHWM``, the peak, in bytes."""
    status = Path('/proc/self/status')
    if not status.is_file():
        return float('nan')
    line = next(line for line in status.read_text().splitlines() if line.startswith(entry))
    return float(line.split()[1]) * 1024
