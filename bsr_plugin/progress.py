"""Progress bars: on a terminal, for work longer than a second, and nowhere else."""

from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar('Item')


def progress(
    items: Iterable[Item] | None = None, *, total: int | None = None, label: str, unit: str, unit_scale: bool = False
) -> 'tqdm[Item]':
    """Wraps ``items`` in a bar with rate and time left, silent when stderr is not a terminal.

    Without ``items`` it is moved with ``update``; ``label`` says what is being done, ``unit`` what one item is called,
    and with ``unit_scale`` they are counted in thousands (k) or millions (M).
    """
    settings = {'delay': 1, 'disable': None, 'dynamic_ncols': True}
    return tqdm(items, total=total, desc=label, unit=unit, unit_scale=unit_scale, **settings)  # type: ignore[return-value, call-overload]
