"""Files that are either whole or absent: temporary name, fsync, rename."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def fsync_folder(folder: str | os.PathLike[str]) -> None:
    """Makes renames and deletions inside ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a temporary path beside ``path`` that takes its place when the block ends well.

    A reader sees the old file or the whole new one, never a part. If the block raises, the temporary file is
    removed and ``path`` is as it was.

    Args:
        path: The file to create or replace; its folder must exist.

    Yields:
        The path to write to. It lies in the same folder and exists, empty, with ordinary permissions.
    """
    target = Path(path)
    descriptor, name = tempfile.mkstemp(prefix=f'.{target.name}.', suffix='.tmp', dir=target.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        temporary.chmod(0o666 & ~_umask())
        yield temporary
        descriptor = os.open(temporary, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, target)  # noqa: PTH105 - the one call that tests of failing disks stand in for
        fsync_folder(target.parent)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes ``text`` as UTF-8 so that ``path`` is either as before or complete."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding='utf-8')


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
