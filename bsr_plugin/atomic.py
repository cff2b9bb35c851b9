"""Files that are either whole or absent: temporary name, fsync, rename; and one process at a time that makes them."""

import errno
import fcntl
import glob
import hashlib
import logging
import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

#: Bytes of a file's name that its temporary name repeats: names end at 255, and the rest of it takes 21.
_REPEATED = 234
#: Seconds after which one that waits for a lock says so.
_PATIENCE = 30.0
#: Seconds after which a temporary file of another host is taken for abandoned.
_ABANDONED = 86_400.0

logger = logging.getLogger('bsr_plugin.atomic')


def fsync_path(path: str | os.PathLike[str]) -> None:
    """Makes what was written to a file durable; for a folder, the renames and deletions in it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a temporary file beside ``path``, empty, that takes its place when the block ends well.

    A reader sees the old file or the whole new one, never a part. If the block raises, the temporary file is
    removed and ``path`` is as it was. If the program is killed, the next one on the same host to write ``path`` removes
    it, or one on another host after a day. Folders that are missing are made.

    Raises:
        OSError: There is a folder, a device or the like at ``path``, or the file cannot be written; the error's
            ``filename`` is ``path`` then.
    """
    target = Path(path)
    check_replaceable(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_left_overs(target.parent, target.name)
    temporary, descriptor = _create(target)
    try:
        yield temporary
        fsync_path(temporary)
        os.replace(temporary, target)  # noqa: PTH105 - the one call that tests of failing disks stand in for
        fsync_path(target.parent)
    except OSError as error:
        if error.errno is not None and error.filename in (None, str(temporary)):
            error.filename = str(target)
        raise
    finally:
        os.close(descriptor)
        temporary.unlink(missing_ok=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Runs the block in one process at a time for each ``path``, a file or folder; the others wait.

    The lock is a hidden file beside ``path`` while the block runs, and no obstacle where a killed process has left it.
    One that waits for long logs the name of the lock. Processes of several hosts wait for each other where the file
    system's locks reach over hosts; with NFS that depends on how it is mounted.

    Raises:
        OSError: The folder of ``path`` cannot be written to.
    """
    lock = lock_of(path)
    with _acquired(FileLock(lock)):
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def lock_of(path: Path) -> Path:
    """The lock file of :func:`locked`."""
    return path.with_name(f'.{path.name}.lock')


def _acquired(lock: BaseFileLock) -> AbstractContextManager[BaseFileLock]:
    try:
        return lock.acquire(timeout=_PATIENCE)
    except Timeout:
        logger.warning('Waiting for the process that holds the lock %s.', lock.lock_file)
        return lock.acquire()


def check_replaceable(path: Path) -> None:
    """Raises, before long work, the ``OSError`` of :func:`replacing` that can be foreseen; makes nothing."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, 'Not an ordinary file', str(path))
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if not above.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(above))
    if not os.access(above, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(above))


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes ``text`` as UTF-8 so that ``path`` is either as before or complete."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding='utf-8')


def write_bytes(path: str | os.PathLike[str], content: bytes | memoryview) -> None:
    """Writes ``content`` so that ``path`` is either as before or complete."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def remove_left_overs(folder: Path, name: str | None = None) -> None:
    """Removes the temporary files of programs that were killed; those of living ones are locked and stay.

    Those of other hosts, whose locks may not be seen here, stay until nothing has been written to them for a day.
    ``name`` is the file they were to become; any by default.
    """
    for left_over in folder.glob(f'.{glob.escape(_shortened(name)) if name else "*"}.*.tmp'):
        with suppress(OSError), left_over.open('r+b') as file:  # in use, gone meanwhile, or no locks here
            is_own = left_over.name.split('.')[-3] == host()
            if is_own or time.time() - left_over.stat().st_mtime > _ABANDONED:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                left_over.unlink()


def host() -> str:
    """Six characters for the name of this host."""
    return hashlib.blake2b(os.fsencode(socket.gethostname()), digest_size=3).hexdigest()


def _shortened(name: str) -> str:
    """As many characters of a name as a temporary name has room for."""
    while len(os.fsencode(name)) > _REPEATED:
        name = name[:-1]
    return name


def _create(target: Path) -> tuple[Path, int]:
    """Creates a temporary file that is locked for as long as its descriptor is open."""
    while True:
        temporary = target.with_name(f'.{_shortened(target.name)}.{host()}.{secrets.token_hex(4)}.tmp')
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return temporary, descriptor
        os.close(descriptor)  # taken for a left-over before it was locked
