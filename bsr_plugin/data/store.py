"""Reading image stores: LMDBs of this project, LMDBs of BasicSR, and folders of images, all alike.

A store is an ordered set of images with names. Images are (H, W, 3) uint8 in BGR order, as BasicSR has them. Sizes are
known without reading an image. An LMDB of the ``raw`` encoding holds plain pixels, so an image is a view of the
memory map and a crop reads its own rows from disk, nothing else.
"""

import os
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from bsr_plugin.data.image_file import decode, image_size, list_images, read_image
from bsr_plugin.data.lmdb_reader import DATA_FILE, Database
from bsr_plugin.data.meta_info import META_FILE, RAW, digest_of, read_meta
from bsr_plugin.errors import InputError
from bsr_plugin.parallel import ordered_map


class LMDBStore:
    """An LMDB folder with ``meta_info.txt``, written by ``bsr prepare`` or by BasicSR; ``InputError`` if it is not one.

    The database is opened at the first image, so a store can be handed to worker processes, forked or spawned.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        meta, data = path / META_FILE, path / DATA_FILE
        if not meta.is_file() or not data.is_file():
            raise InputError(f'{path} is not an image LMDB ({META_FILE} or {DATA_FILE} is missing): run bsr prepare.')
        self.entries = read_meta(meta)
        if not self.entries:
            raise InputError(f'{path} has no images: make it again with bsr prepare.')
        self.names = [unquote(entry.key) for entry in self.entries]
        self.sizes: NDArray[np.int64] = np.array([entry.shape[:2] for entry in self.entries], np.int64)
        known = all(entry.digest for entry in self.entries)
        self.digest = digest_of(meta.read_bytes(), b'' if known else _stamp(data))
        self._database = Database(path)
        self._database.check()

    def image(self, position: int) -> NDArray[np.uint8]:
        """The whole image, (H, W, 3) BGR.

        For raw stores a read-only view of the memory map, which stays valid when this store is gone.

        Raises:
            InputError: The store is damaged there.
        """
        view = self._database.views.get(position)
        if view is not None:
            return view
        entry, value = self.entries[position], self.value(position)
        if entry.level != RAW:
            return decode(value, f'{self.path}, image {self.names[position]}')
        height, width, channels = entry.shape
        if len(value) != height * width * channels:
            raise InputError(f'{self.path} is damaged at {self.names[position]}: make it again with bsr prepare.')
        view = self._database.views[position] = np.ndarray(entry.shape, np.uint8, value)
        return view

    def value(self, position: int) -> memoryview:
        """The stored bytes of an image, a read-only view of the memory map; ``InputError`` if they are not there."""
        value = self._database.get(self.entries[position].key.encode())
        if value is None:
            raise InputError(f'{self.path} has no image {self.names[position]}: make it again with bsr prepare.')
        return value


class FolderStore:
    """A folder of image files; a file that is not an image is an error when it or the sizes are asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = list_images(path)
        self.names = [file.stem for file in self.files]
        stamps = [f'{file.name} '.encode() + _stamp(file) for file in self.files]
        self.digest = digest_of(b'\n'.join(stamps))

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """(N, 2) heights and widths, by the headers of the files."""
        return np.array(list(ordered_map(image_size, self.files)), np.int64)

    def image(self, position: int) -> NDArray[np.uint8]:
        """The whole image, (H, W, 3) BGR, decoded."""
        return read_image(self.files[position])


class JoinedStore:
    """The parts that ``bsr prepare --shard i/n`` wrote, read as one store."""

    def __init__(self, path: Path, parts: Sequence[LMDBStore | FolderStore]) -> None:
        self.path, self.parts = path, parts
        self.names = [name for part in parts for name in part.names]
        self.sizes: NDArray[np.int64] = np.concatenate([part.sizes for part in parts])
        self.digest = digest_of(*(part.digest.encode() for part in parts))
        self._starts = np.cumsum([0, *(len(part.names) for part in parts)])

    def image(self, position: int) -> NDArray[np.uint8]:
        """The whole image, from the part it lies in."""
        part = int(np.searchsorted(self._starts, position, side='right')) - 1
        return self.parts[part].image(position - int(self._starts[part]))


Store = LMDBStore | FolderStore | JoinedStore
#: What a store is: a folder of image files, or an LMDB.
Backend = Literal['disk', 'lmdb']


def open_store(path: str | os.PathLike[str], backend: Backend) -> Store:
    """Opens an LMDB folder (``lmdb``) or a folder of images (``disk``), or all parts ``PATH.partIofN`` of one.

    Raises:
        InputError: Nothing is there, a part is missing, or it is not a store.
    """
    where, opened = Path(path), LMDBStore if backend == 'lmdb' else FolderStore
    if where.exists():
        return opened(where)
    parts = find_parts(where)
    if not parts:
        fix = 'correct the path' if backend == 'disk' else 'make it with bsr prepare, or correct the path'
        raise InputError(f'{where} does not exist: {fix}.')
    return JoinedStore(where, [opened(part) for part in parts])


def part_path(path: Path, number: int, total: int) -> Path:
    """Where part ``number`` of ``total`` of a store goes: ``HR_x4.lmdb`` -> ``HR_x4.part2of8.lmdb``."""
    stem, suffix = _stem_and_suffix(path)
    return path.with_name(f'{stem}.part{number}of{total}{suffix}')


def find_parts(path: Path) -> list[Path]:
    """The parts of a store in order, or nothing if there are none.

    Raises:
        InputError: Some parts are there and others are not, or they are parts of different divisions.
    """
    stem, suffix = map(re.escape, _stem_and_suffix(path))
    name = re.compile(rf'{stem}\.part(\d+)of(\d+){suffix}')
    entries = path.parent.iterdir() if path.parent.is_dir() else ()
    matches = {entry: match for entry in entries if (match := name.fullmatch(entry.name))}
    found = {int(match[1]): entry for entry, match in matches.items()}
    totals = {int(match[2]) for match in matches.values()}
    if not found:
        return []
    if len(totals) > 1:
        raise InputError(f'{path} has parts of different divisions ({sorted(totals)}): remove those you do not want.')
    missing = sorted(set(range(1, totals.pop() + 1)) - set(found))
    if missing:
        raise InputError(f'{path} lacks part {missing[0]} of {len(found) + len(missing)}: run bsr prepare for it.')
    return [found[number] for number in sorted(found)]


def _stamp(file: Path) -> bytes:
    status = file.stat()
    return f'{status.st_size} {status.st_mtime_ns}'.encode()


def _stem_and_suffix(path: Path) -> tuple[str, str]:
    suffix = '.lmdb' if path.suffix == '.lmdb' else ''
    return path.name.removesuffix(suffix), suffix
