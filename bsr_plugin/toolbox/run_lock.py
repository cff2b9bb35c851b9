"""One training at a time in a run's folder: two of one name would mix their checkpoints.

The lock is POSIX's: it ends with the process that holds it, however that ends, is not inherited by the workers of a
loader, stays with the folder when that is renamed, and reaches over hosts where the file system's locks do.
"""

import errno
import fcntl
import os
from pathlib import Path
from typing import IO

from bsr_plugin.errors import InputError

_NAME = '.lock'
_HELD = (errno.EACCES, errno.EAGAIN)
#: Files stay open, and locked, as long as the process runs.
_held: dict[Path, IO[bytes]] = {}


def check_not_in_use(folder: Path) -> None:
    """Raises ``InputError`` if another process trains in a folder; touches nothing."""
    path = folder / _NAME
    if path.exists() and path.resolve() not in _held:
        with path.open('r+b') as file:
            _lock(file, folder)


def hold(folder: Path) -> None:
    """Keeps other processes from training in a folder until this one ends.

    Raises:
        InputError: Another one does.
    """
    path = (folder / _NAME).resolve()
    if path not in _held or not _is_open_at(path):
        file = path.open('a+b')
        _lock(file, folder)
        _held[path] = file


def _is_open_at(path: Path) -> bool:
    """Whether the file that is held is the one at its path, which it is not once its folder was renamed."""
    return path.exists() and os.path.samestat(path.stat(), os.fstat(_held[path].fileno()))


def _lock(file: IO[bytes], folder: Path) -> None:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            raise InputError(f'{folder} is in use by another training: wait for its end, or change the name.') from None
        # A file system without locks cannot tell.
