"""What a process of a study does: one training or one test, through the launcher, on a core of its own."""

import fcntl
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from multiprocessing import parent_process
from pathlib import Path

from bsr_plugin.study.slots import Slot

#: Seconds that the processes of a study that was killed have to die; PyTorch's workers look every 5 s.
_PATIENCE = 60.0
_LOCK = '.lock'


def run_child(phase: str, words: Sequence[str], folder: Path, output: Path, slot: Slot) -> None:
    """Runs the launcher of this process, and ends with its exit status.

    The process ends with the study, however that ends, and leaves the folder alone while an earlier one is still at
    work there. It is the head of a session: Ctrl-C reaches the study alone, which asks its processes to save.

    Args:
        phase: ``train`` or ``test``.
        words: Arguments of the launcher.
        folder: The run's folder.
        output: File that what is printed is added to.
        slot: Where it runs.
    """
    os.setsid()
    _end_with_parent()
    descriptor = os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.environ.update(slot.environment)
    if slot.core is not None:
        os.sched_setaffinity(0, {slot.core})
    if not alone_in(folder):
        sys.exit(f'{folder} is in use by another process: end it, and start again.')
    import torch

    from bsr_plugin import launch

    # As in a process that begins on its own; one of a fork server starts workers by one more fork server.
    multiprocessing.set_start_method(None, force=True)
    torch.set_num_threads(int(slot.environment['OMP_NUM_THREADS']))
    sys.argv = [f'{phase}.py', *words]
    sys.exit({'train': launch.train, 'test': launch.test}[phase](folder))


def _end_with_parent() -> None:
    """Has this process killed as soon as the study is gone; the end of a pipe tells it."""
    study = parent_process()

    def watch() -> None:
        if study is not None:
            study.join()
            os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def alone_in(folder: Path, patience: float = _PATIENCE) -> bool:
    """Locks a run's folder for the life of this process and of the workers it forks; whether that was possible.

    Args:
        folder: The folder.
        patience: Seconds to wait for processes that are about to end.
    """
    return _lock(folder, patience) is not None


def is_free(folder: Path, patience: float = _PATIENCE) -> bool:
    """Whether no process is at work in a run's folder, or about to end there."""
    descriptor = _lock(folder, patience)
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is not None


def _lock(folder: Path, patience: float) -> int | None:
    """Locks a folder for as long as the descriptor that it gives is open; ``None`` where that was not possible."""
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    deadline = time.monotonic() + patience
    while not _locked(descriptor):
        if time.monotonic() > deadline:
            os.close(descriptor)
            return None
        time.sleep(0.1)
    return descriptor


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
