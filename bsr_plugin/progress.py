"""Progress bars: on a terminal, for work longer than a second, and nowhere else."""

from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar('Item')


def progress(items: Iterable[Item] | None = None, *, total: int | None = None, label: str, unit: str) -> 'tqdm[Item]':
    """Wraps ``items`` in a bar with rate and time left, silent when stderr is not a terminal.

    Without ``items`` it is moved with ``update``; ``label`` says what is being done, ``unit`` what one item is called.
    """
    return tqdm(items, total=total, desc=label, unit=unit, delay=1, disable=None, dynamic_ncols=True)  # type: ignore[return-value]
