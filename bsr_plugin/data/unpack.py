"""Images out of an archive into the folders where BasicSR expects them, and nothing else."""

import shutil
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from bsr_plugin.data.image_file import IMAGE_SUFFIXES
from bsr_plugin.data.sources import Folder
from bsr_plugin.errors import InputError
from bsr_plugin.progress import progress


@dataclass(frozen=True)
class Unpacked:
    """What became of a folder.

    Attributes:
        target: Where its images are.
        images: How many there are; 0 if the target was there before and was left as it was.
    """

    target: Path
    images: int


@dataclass(frozen=True)
class _Member:
    """A file in an archive."""

    path: PurePosixPath
    size: int
    entry: tarfile.TarInfo | zipfile.ZipInfo


def unpack(archive: Path, folders: Sequence[Folder], root: Path) -> list[Unpacked]:
    """Unpacks folders of images; each appears whole or not at all.

    A target that exists is left untouched. An archive with a link, a device or a path that leads out of it is refused
    before anything is written.

    Args:
        archive: A tar or zip file.
        folders: What to unpack.
        root: The folder of all data sets.

    Raises:
        InputError: The file is no archive, is unsafe or damaged, lacks a folder, or the disk is too small.
    """
    missing = [folder for folder in folders if not (root / folder.target).exists()]
    done = dict.fromkeys(folders, 0)
    if missing:
        try:
            with _opened(archive) as (members, read):
                for folder in missing:
                    done[folder] = _unpack_folder(archive, members, read, folder, root)
        except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
            raise InputError(f'{archive} is damaged ({error}): remove it and download it again.') from error
        except OSError as error:
            raise InputError(f'{root} cannot take the images ({error.strerror}): make room or name another.') from error
    return [Unpacked(root / folder.target, count) for folder, count in done.items()]


class _Reader:
    """Opens members of an archive that is open."""

    def __init__(self, archive: tarfile.TarFile | zipfile.ZipFile) -> None:
        self._archive = archive

    def __call__(self, member: _Member) -> IO[bytes]:
        if isinstance(self._archive, zipfile.ZipFile):
            assert isinstance(member.entry, zipfile.ZipInfo)
            return self._archive.open(member.entry)
        assert isinstance(member.entry, tarfile.TarInfo)
        stream = self._archive.extractfile(member.entry)
        assert stream is not None  # only regular files are members
        return stream


@contextmanager
def _opened(archive: Path) -> Iterator[tuple[list[_Member], _Reader]]:
    """The regular files of an archive, once every entry has been found harmless."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            yield list(_zip_members(archive, file)), _Reader(file)
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as file:
            yield list(_tar_members(archive, file)), _Reader(file)
    else:
        raise InputError(f'{archive} is neither a tar nor a zip file: remove it and download it again.')


def _tar_members(archive: Path, file: tarfile.TarFile) -> Iterator[_Member]:
    for entry in file:
        if not (entry.isfile() or entry.isdir()):
            raise InputError(f'{archive} holds {entry.name}, which is a link or a device: it is not unpacked.')
        path = _checked(archive, entry.name)
        if entry.isfile():
            yield _Member(path, entry.size, entry)


def _zip_members(archive: Path, file: zipfile.ZipFile) -> Iterator[_Member]:
    for entry in file.infolist():
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise InputError(f'{archive} holds {entry.filename}, which is a link or a device: it is not unpacked.')
        path = _checked(archive, entry.filename)
        if not entry.is_dir():
            yield _Member(path, entry.file_size, entry)


def _checked(archive: Path, name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or '..' in path.parts or '\\' in name or ':' in name:
        raise InputError(f'{archive} holds {name}, which leads out of the archive: it is not unpacked.')
    return path


def _unpack_folder(archive: Path, members: list[_Member], read: _Reader, folder: Folder, root: Path) -> int:
    inside = PurePosixPath(folder.inside)
    images = [member for member in members if member.path.parent == inside and _is_image(member.path)]
    if not images:
        raise InputError(f'{archive} has no images in {folder.inside}: it is another archive than was expected.')
    target = root / folder.target
    target.parent.mkdir(parents=True, exist_ok=True)
    needed = sum(member.size for member in images)
    if shutil.disk_usage(target.parent).free < needed:
        raise InputError(f'{target.parent} has no room for {needed / 1e9:.1f} GB: make room or name another folder.')
    with tempfile.TemporaryDirectory(prefix=f'.{target.name}.', dir=target.parent) as temporary:
        made = Path(temporary) / target.name
        made.mkdir()
        for member in progress(images, label=folder.target, unit='image'):
            name = f'{member.path.stem.removesuffix(folder.suffix)}{member.path.suffix}'
            with read(member) as source, (made / name).open('xb') as copy:
                shutil.copyfileobj(source, copy)
        made.rename(target)
    return len(images)


def _is_image(path: PurePosixPath) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith('.')
