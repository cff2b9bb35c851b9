"""Work on all cores with bounded memory and results in order."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar('Item')
Result = TypeVar('Result')


def available_cores() -> int:
    """Cores this process may run on, which in a container or a cluster job are fewer than the machine has."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int | None = None
) -> Iterator[Result]:
    """Applies ``function`` on threads and yields the results in the order of ``items``.

    At most two items per worker are in flight, so memory does not grow with their number. Threads serve because
    the work is done in OpenCV and NumPy, which release the interpreter lock.

    Args:
        function: Called once per item; an exception reaches the consumer at that item's turn.
        items: Consumed lazily.
        workers: Threads; all available cores by default.
    """
    workers = workers or available_cores()
    pending: deque[Future[Result]] = deque()
    executor = ThreadPoolExecutor(workers)
    try:
        for item in items:
            pending.append(executor.submit(function, item))
            if len(pending) >= 2 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()
        executor.shutdown(wait=True)
