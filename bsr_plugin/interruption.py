"""Ctrl-C while a program imports what it needs."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

#: Exit status of a program that Ctrl-C has ended.
EXIT_INTERRUPTED = 130


@contextmanager
def ended_by_ctrl_c(sentence: str) -> Iterator[None]:
    """Has Ctrl-C print a sentence and end the process at once while it imports, when nothing has been begun.

    A ``KeyboardInterrupt`` in the middle of an import comes out of some extension modules as an error of theirs.
    """

    def leave(number: int, frame: Any) -> None:
        os.write(2, f'{sentence}\n'.encode())
        os._exit(EXIT_INTERRUPTED)

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
