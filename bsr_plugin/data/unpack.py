"""Images out of an archive into the folders where BasicSR expects them, and nothing else."""

import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from bsr_plugin.atomic import locked
from bsr_plugin.data.image_file import is_image
from bsr_plugin.data.sources import Folder
from bsr_plugin.errors import InputError
from bsr_plugin.progress import progress


class _Member(NamedTuple):
    """A file in an archive: its path there, its size, and what opens it."""

    path: PurePosixPath
    size: int
    open: Callable[[], Any]


def unpack(archive: Path, folders: Sequence[Folder], root: Path) -> dict[Path, int]:
    """Unpacks folders of images; each appears whole or not at all, and is unpacked by one process at a time.

    A target that exists is left untouched. Of an archive's paths only the last part is used, for files that lie in one
    of the folders; so links, devices and paths that lead out of it do no harm.

    Args:
        archive: A tar or zip file.
        folders: What to unpack.
        root: The folder of all data sets.

    Returns:
        Target -> number of images unpacked into it; 0 for a target that was there.

    Raises:
        InputError: The file is not an archive, is damaged, lacks a folder, or the disk is too small.
        OSError: The images cannot be written.
    """
    done = {root / folder.target: 0 for folder in folders}
    missing = [folder for folder in folders if not (root / folder.target).exists()]
    if missing:
        try:
            with _members(archive) as members:
                for folder in missing:
                    done[root / folder.target] = _unpack_folder(archive, members, folder, root)
        except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise InputError(f'{archive} is damaged ({error}): remove it and download it again.') from error
    return done


@contextmanager
def _members(archive: Path) -> Iterator[list[_Member]]:
    """The regular files of an archive, which can be opened for as long as the block lasts."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            regular = [entry for entry in file.infolist() if not stat.S_ISLNK(entry.external_attr >> 16)]
            yield [_Member(PurePosixPath(at.filename), at.file_size, partial(file.open, at)) for at in regular]
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as file:
            yield [
                _Member(PurePosixPath(at.name), at.size, partial(file.extractfile, at)) for at in file if at.isfile()
            ]
    else:
        raise InputError(f'{archive} is neither a tar nor a zip file: remove it and download it again.')


def _unpack_folder(archive: Path, members: list[_Member], folder: Folder, root: Path) -> int:
    inside = PurePosixPath(folder.inside)
    images = [member for member in members if member.path.parent == inside and is_image(member.path)]
    if not images:
        raise InputError(f'{archive} has no images in {folder.inside}: it is another archive than was expected.')
    target = root / folder.target
    target.parent.mkdir(parents=True, exist_ok=True)
    with locked(target):
        return 0 if target.exists() else _copy_images(images, folder, target)


def _copy_images(images: list[_Member], folder: Folder, target: Path) -> int:
    made = target.with_name(f'.{target.name}.part')
    shutil.rmtree(made, ignore_errors=True)  # of a process that was killed
    needed = sum(member.size for member in images)
    if shutil.disk_usage(target.parent).free < needed:
        raise InputError(f'{target.parent} has no room for {needed / 1e9:.1f} GB: make room or name another folder.')
    made.mkdir()
    try:
        for member in progress(images, label=folder.target, unit='image'):
            name = f'{member.path.stem.removesuffix(folder.suffix)}{member.path.suffix}'
            with member.open() as source, (made / name).open('xb') as copy:
                shutil.copyfileobj(source, copy)
        made.rename(target)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return len(images)
