"""OpenCV's own log, which says in several lines on standard error what an exception here says in a sentence."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from cv2.utils import logging as opencv

_lock = threading.Lock()
_silent_threads = 0
_level = opencv.LOG_LEVEL_WARNING


@contextmanager
def silent_opencv() -> Iterator[None]:
    """Keeps OpenCV from writing its log, in the whole process, while a thread is inside the block."""
    global _silent_threads, _level
    with _lock:
        if _silent_threads == 0:
            _level = opencv.setLogLevel(opencv.LOG_LEVEL_SILENT)
        _silent_threads += 1
    try:
        yield
    finally:
        with _lock:
            _silent_threads -= 1
            if _silent_threads == 0:
                opencv.setLogLevel(_level)


def _in_child() -> None:
    """In a forked process, the threads that were inside the block, or held the lock, are no more."""
    global _lock, _silent_threads
    _lock = threading.Lock()
    if _silent_threads:
        _silent_threads = 0
        opencv.setLogLevel(_level)


os.register_at_fork(after_in_child=_in_child)
