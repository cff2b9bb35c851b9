"""SIGTERM and Ctrl-C: remembered until the step is finished."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import parent_process, resource_tracker
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Whether the process was asked to stop, and by which signal."""

    def __init__(self) -> None:
        self.signal_number = 0
        self._listening = False

    def listen(self) -> None:
        """From now on remembers SIGTERM and Ctrl-C instead of dying of them; a second Ctrl-C quits at once.

        Only the main thread can; elsewhere the signals keep their meaning.
        """
        if self._listening or threading.current_thread() is not threading.main_thread():
            return
        self._listening = True
        for number in _SIGNALS:
            signal.signal(number, self._remember)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.signal_number = number
        words = f'{signal.Signals(number).name}: finishing this iteration and saving.'
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            words += ' Press Ctrl-C again to quit at once.'
        # Not through logging or print: this may have interrupted either of them.
        os.write(2, f'\n{words}\n'.encode())


@contextmanager
def stop_signals_blocked() -> Iterator[None]:
    """Blocks SIGTERM and Ctrl-C while workers are started, and in the workers until they ``ignore_stop_signals``."""
    # Starting this helper of ``multiprocessing`` lets both signals through again, so it must not happen in between.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_stop_signals(*_: Any) -> None:
    """Makes a worker of a data loader outlive the signal that stops the training, so that the step can be finished.

    Terminals and cluster schedulers signal all processes of a job. PyTorch raises an error in the training process
    when a worker dies, be it in the middle of saving. So a worker ignores Ctrl-C, and SIGTERM from anyone but the
    training process, which sends one to the workers that are left when it exits.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, 'sigwaitinfo'):  # not on macOS
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_exit_when_parent_says, daemon=True).start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    else:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


def _exit_when_parent_says() -> None:
    # Only this call, not a handler, tells who sent a signal. Workers of a fork server are not its sender's children.
    parent = parent_process()
    while parent is not None and signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent.pid:
        continue
    os._exit(0)
