"""Files that are either whole or absent: temporary name, fsync, rename."""

import glob
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: what a killed program leaves stays
    fcntl = None  # type: ignore[assignment]

#: A temporary file younger than this may belong to a program that has not locked it yet.
_SECONDS_TO_LOCK = 60


def fsync_path(path: str | os.PathLike[str]) -> None:
    """Makes what was written to a file durable; for a folder, the renames and deletions in it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a temporary path beside ``path`` that takes its place when the block ends well.

    A reader sees the old file or the whole new one, never a part. If the block raises, the temporary file is
    removed and ``path`` is as it was. If the program is killed, the next one to write ``path`` removes it.

    Args:
        path: The file to create or replace; its folder must exist.

    Yields:
        The path to write to. It lies in the same folder and exists, empty, with ordinary permissions.
    """
    target = Path(path)
    _remove_left_overs(target)
    descriptor, name = tempfile.mkstemp(prefix=f'.{target.name}.', suffix='.tmp', dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, 'rb') as locked:
            with suppress(OSError):  # a file system without locks
                _lock(locked.fileno())
            temporary.chmod(0o666 & ~_umask())
            yield temporary
            fsync_path(temporary)
        os.replace(temporary, target)  # noqa: PTH105 - the one call that tests of failing disks stand in for
        fsync_path(target.parent)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def _remove_left_overs(target: Path) -> None:
    """Removes temporary files of programs that were killed while they wrote ``target``."""
    for left_over in target.parent.glob(f'.{glob.escape(target.name)}.*.tmp'):
        with suppress(OSError):  # in use, or gone meanwhile
            if time.time() - left_over.stat().st_mtime > _SECONDS_TO_LOCK:
                with left_over.open('rb') as file:
                    _lock(file.fileno())
                    left_over.unlink()


def _lock(descriptor: int) -> None:
    """Locks a file for as long as it is open.

    Raises:
        OSError: Another program has it open and locked.
    """
    if fcntl is None:
        raise OSError('no locks here')
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes ``text`` as UTF-8 so that ``path`` is either as before or complete."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding='utf-8')


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
