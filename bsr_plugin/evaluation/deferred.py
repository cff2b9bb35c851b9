"""Metrics computed beside the network, which add up in the toolbox's loop like the numbers they will be."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import BoundedSemaphore

from bsr_plugin.parallel import available_cores


class Deferred:
    """A sum of values, some of which are still being computed.

    ``SRModel`` adds the metric of every image to 0 and divides by the number of images. That division waits, adds
    in the order of the images and gives the float that the loop would have had without threads, to the last bit.
    """

    def __init__(self, values: list['Future[float]']) -> None:
        self._values = values

    def __radd__(self, start: float) -> 'Deferred':
        begun: Future[float] = Future()
        begun.set_result(start)
        return Deferred([begun, *self._values])

    def __iadd__(self, other: 'Deferred') -> 'Deferred':
        self._values += other._values
        return self

    def __truediv__(self, count: float) -> float:
        first, *others = self._values
        total = first.result()
        for value in others:
            total += value.result()
        return total / count


class BesideTheNetwork:
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
