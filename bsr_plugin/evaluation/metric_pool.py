"""Metrics computed on threads, beside the network."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import BoundedSemaphore

from bsr_plugin.parallel import available_cores


class MetricPool:
    """Threads that compute metrics while the network goes on with the next image.

    At most two calls per thread are under way; then ``submit`` waits, so that memory does not grow with the number
    of images. Threads serve because NumPy and OpenCV release the interpreter lock.
    """

    def __init__(self, workers: int | None = None) -> None:
        workers = workers or available_cores()
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix='metric')
        self._room = BoundedSemaphore(2 * workers)

    def submit(self, function: Callable[[], float]) -> 'Future[float]':
        """Starts ``function()`` on a thread."""
        self._room.acquire()
        future = self._executor.submit(function)
        future.add_done_callback(lambda _: self._room.release())
        return future

    def close(self) -> None:
        """Waits for everything that is under way."""
        self._executor.shutdown()
