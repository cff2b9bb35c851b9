"""Folders of earlier runs are kept aside, also those of runs that began within one second."""

import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path


def mkdir_and_rename(path: str) -> None:
    """Makes a folder; what is there already is renamed, with the time and, where that name is taken, a number.

    Args:
        path: The folder.
    """
    folder = Path(path)
    if folder.exists():
        names = _numbered(f'{folder.name}_archived_{time.strftime("%Y%m%d_%H%M%S")}')
        archived = next(each for each in map(folder.with_name, names) if not each.exists())
        print(f'Path already exists. Rename it to {archived}', flush=True)
        folder.rename(archived)
    folder.mkdir(parents=True, exist_ok=True)


def _numbered(name: str) -> Iterator[str]:
    yield name
    yield from (f'{name}_{number}' for number in count(2))
