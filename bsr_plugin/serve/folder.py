"""The folder of what is uploaded and made while a server runs; it goes with the server, at the latest with the next."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = 'bsr_serve_'


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Gives a new folder, which only this user can enter, and removes it at the end.

    It stays locked for as long as the process lives, and so the folders of servers that were killed are known: they
    are removed first.

    Raises:
        OSError: There is no place for temporary files.
    """
    remove_left_overs(Path(tempfile.gettempdir()))
    folder, descriptor = _create()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def remove_left_overs(parent: Path) -> None:
    """Removes the folders of this user's servers that were killed; those of living ones are locked and stay."""
    for left_over in parent.glob(f'{_PREFIX}*'):
        with suppress(OSError):  # another user's, in use, or gone meanwhile
            descriptor = _locked(left_over)
            shutil.rmtree(left_over, ignore_errors=True)
            os.close(descriptor)


def remove_older(folder: Path, seconds: float, keep: Collection[Path] = ()) -> None:
    """Removes the files and folders in ``folder`` that were not changed for ``seconds``, but for those in ``keep``."""
    oldest = time.time() - seconds
    for entry in folder.iterdir():
        with suppress(OSError):  # gone meanwhile
            if entry not in keep and entry.lstat().st_mtime < oldest:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def _create() -> tuple[Path, int]:
    """Creates a folder that is locked for as long as its descriptor is open."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        with suppress(OSError):  # taken for a left-over before it was locked
            return folder, _locked(folder)


def _locked(folder: Path) -> int:
    """A descriptor of a folder with a lock that ends with the process.

    Raises:
        OSError: Another process has locked it, or it is gone, or not a folder of this user.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(descriptor).st_uid != os.getuid():
            raise PermissionError(folder)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not folder.exists():
            raise FileNotFoundError(folder)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
