"""Work on all cores with bounded memory and results in order."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
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
    function: Callable[[Item], Result], items: Iterable[Item], workers: int | None = None, ahead: int | None = None
) -> Generator[Result, None, None]:
    """Applies ``function`` on threads and yields the results in the order of ``items``.

    Threads serve because the work is done in OpenCV and NumPy, which release the interpreter lock.

    Args:
        function: Called once per item; an exception reaches the consumer at that item's turn.
        items: Consumed lazily.
        workers: Threads; all available cores by default.
        ahead: Items in flight, which bounds the memory; two per worker by default.
    """
    workers = workers or available_cores()
    pending: deque[Future[Result]] = deque()
    executor = ThreadPoolExecutor(workers)
    try:
        for item in items:
            pending.append(executor.submit(function, item))
            if len(pending) >= (ahead or 2 * workers):
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
