"""Where the processes of a study run: each on a core of its own, or on a GPU of its own."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from bsr_plugin.errors import InputError
from bsr_plugin.parallel import available_cores


@dataclass(frozen=True)
class Slot:
    """A place for one process at a time.

    Attributes:
        number: Counted from 0.
        core: The core it stays on; ``None`` leaves that to the system.
        environment: Its environment variables.
    """

    number: int
    core: int | None
    environment: dict[str, str] = field(compare=False)


def slots(jobs: int | None, gpus: Sequence[str]) -> list[Slot]:
    """One place for each GPU, or where there is none for each core that this process may run on.

    Args:
        jobs: Number of places; ``None`` takes as many as there are GPUs or cores. Where there are more places than
            these, they share.
        gpus: The GPUs, as ``CUDA_VISIBLE_DEVICES`` names them; none for a study on the CPU.

    Raises:
        InputError: ``jobs`` is less than 1.
    """
    if jobs is not None and jobs < 1:
        raise InputError(f'--jobs is {jobs}: use 1 or more.')
    if gpus:
        count = jobs or len(gpus)
        threads = str(max(1, available_cores() // count))
        return [
            Slot(number, None, {'CUDA_VISIBLE_DEVICES': gpus[number % len(gpus)], 'OMP_NUM_THREADS': threads})
            for number in range(count)
        ]
    # With one thread, sums are taken in one order, and the figures do not depend on the number of jobs.
    one_thread = {'OMP_NUM_THREADS': '1', 'MKL_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''}
    cores: Sequence[int | None] = [None] * available_cores()
    if hasattr(os, 'sched_getaffinity'):
        cores = sorted(os.sched_getaffinity(0))
    return [Slot(number, cores[number % len(cores)], one_thread) for number in range(jobs or len(cores))]


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    import torch

    named = os.environ.get('CUDA_VISIBLE_DEVICES')
    count = torch.cuda.device_count()
    return named.split(',')[:count] if named else [str(number) for number in range(count)]
