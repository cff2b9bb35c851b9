"""Writing image stores so that a kill at any moment loses little and damages nothing.

A store grows in a hidden folder beside its final place, in batches. A batch is on disk as a whole or not at all, and
batches end at the same images in every run, so a store that was interrupted and continued has the same bytes as one
that was not. The finished folder is renamed to its final name: no reader ever sees a part.
"""

import errno
import json
import os
import shutil
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, takewhile
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import unquote

import lmdb
import numpy as np
from numpy.typing import NDArray

from bsr_plugin.atomic import fsync_path, remove_left_overs, write_bytes, write_text
from bsr_plugin.data.image_file import PNG_COMPRESSION, encode_png
from bsr_plugin.data.meta_info import META_FILE, RAW, MetaEntry, digest_of, key_for, read_meta
from bsr_plugin.data.store import LMDBStore
from bsr_plugin.data.store_description import STORE_FILE, Description, read_description
from bsr_plugin.errors import InputError

Encoding = Literal['raw', 'png', 'files']

_VERSION = 2
_JOURNAL = 'journal.txt'
#: What begins the line of an image that was left out; no key begins with it.
_LEFT_OUT = '# '
#: LMDB's own pages and the unused end of the last page of every image.
_OVERHEAD_PER_IMAGE, _OVERHEAD = 3 * 4096, 1 << 22
#: A database that is full gets twice the room, up to a size that no disk has.
_LARGEST_MAP = 1 << 45


class Record(NamedTuple):
    """An image on its way into a store."""

    name: str
    entry: MetaEntry
    value: bytes


class LeftOut(NamedTuple):
    """The file name of an image that does not go into a store, and one sentence that says why."""

    file: str
    reason: str


def make_record(name: str, image: NDArray[np.uint8], encoding: Encoding) -> Record:
    """Encodes an image, (H, W, 3) BGR, and takes its digest."""
    value = image.tobytes() if encoding == 'raw' else encode_png(image)
    level = RAW if encoding == 'raw' else str(PNG_COMPRESSION)
    height, width, channels = image.shape
    return Record(name, MetaEntry(key_for(name), (height, width, channels), level, digest_of(value)), value)


class StoreWriter:
    """A store that is to be written, or is complete already.

    Args:
        path: The final folder: ``*.lmdb`` for the encodings ``raw`` and ``png``, any other for ``files``.
        encoding: How images are stored.
        description: What the store is made from (``Description.made_from``). A part that was begun for another
            description is thrown away.
        pixels: Pixels of all images, which bounds the size of the database.
        images: Number of images.

    Attributes:
        count: Images that are safely on disk, those that were left out included.
        left_out: File name -> why that image is not in the store.
        complete: The store is at its final place.

    Raises:
        InputError: A finished store is in that place, of another description or damaged.
    """

    def __init__(self, path: Path, encoding: Encoding, description: dict[str, Any], pixels: int, images: int):
        self.path = path
        self.partial = path.with_name(f'.{path.name}.partial')
        self._encoding = encoding
        self._made_from = {'version': _VERSION, 'encoding': encoding, **description}
        hidden = '.' if encoding == 'files' else ''
        self._listing_file, self._description_file = f'{hidden}{META_FILE}', f'{hidden}{STORE_FILE}'
        self._map_size = pixels * 3 * 11 // 10 + images * _OVERHEAD_PER_IMAGE + _OVERHEAD
        self._images = images
        self.count = 0
        self.left_out: dict[str, str] = {}
        self.complete = path.exists()
        if self.complete:
            self._take(self._finished(path))

    def begin(self) -> None:
        """Makes the hidden folder, or takes up one that an interrupted run left; does nothing for a finished store."""
        if self.complete:
            return
        if self.partial.exists() and not self._is_ours():
            shutil.rmtree(self.partial)
        self.partial.mkdir(parents=True, exist_ok=True)
        remove_left_overs(self.partial)
        if self._sealed():
            self._take(self._finished(self.partial))
            return
        Description(self._made_from).write(self.partial / self._description_file)
        # A batch goes into the journal first: what is listed there and not in the store is written again.
        lines = self._stored(self._journal())
        write_text(self.partial / _JOURNAL, ''.join(lines))
        self.count, self.left_out = len(lines), _left_out(lines)

    def add(self, batch: Sequence[Record | LeftOut]) -> None:
        """Puts one batch on disk; when this returns, it survives a crash."""
        lines = [_line(item) for item in batch]
        with (self.partial / _JOURNAL).open('a', encoding='utf-8') as journal:
            journal.writelines(lines)
            journal.flush()
            os.fsync(journal.fileno())
        records = [item for item in batch if isinstance(item, Record)]
        if self._encoding != 'files':
            self._put(records)
        else:
            for record in records:
                write_bytes(self.partial / f'{record.name}.png', record.value)
        self.count += len(batch)
        self.left_out |= _left_out(lines)

    def seal(self) -> None:
        """Completes the folder under its hidden name: the journal becomes the listing.

        Raises:
            InputError: Every image was left out.
        """
        if self.complete:
            return
        if not self._sealed():
            listing = ''.join(line for line in self._journal() if not line.startswith(_LEFT_OUT))
            if self.left_out and not listing:
                raise InputError(next(iter(self.left_out.values())))
            description = Description(self._made_from, self.left_out, digest_of(listing.encode()))
            description.write(self.partial / self._description_file)
            (self.partial / 'lock.mdb').unlink(missing_ok=True)
            write_text(self.partial / self._listing_file, listing)
        (self.partial / _JOURNAL).unlink(missing_ok=True)
        fsync_path(self.partial)

    def publish(self) -> None:
        """Moves the sealed folder to its final place; does nothing for a finished store."""
        if not self.complete:
            self.partial.rename(self.path)
            fsync_path(self.path.parent)
            self.complete = True

    def discard(self) -> None:
        """Removes what has been written so far; a published store stays."""
        shutil.rmtree(self.partial, ignore_errors=True)

    def _finished(self, folder: Path) -> Description:
        """The description of a sealed store, if it is what is wanted and all of it is there."""
        file = folder / self._description_file
        description = read_description(file) if file.exists() else None
        if description is None or not description.fits(self._made_from):
            raise InputError(
                f'{folder} exists and was made from other images or settings: remove it, or use another --out.'
            )
        if self._encoding != 'files':
            LMDBStore(folder)  # looks at the length
            return description
        for entry in read_meta(folder / self._listing_file):
            if not (folder / f'{unquote(entry.key)}.png').is_file():
                raise InputError(f'{folder} lacks {unquote(entry.key)}.png: remove the folder, and make it again.')
        return description

    def _take(self, description: Description) -> None:
        self.count, self.left_out = self._images, description.left_out

    def _is_ours(self) -> bool:
        try:
            return read_description(self.partial / self._description_file).made_from == self._made_from
        except InputError:
            return False

    def _sealed(self) -> bool:
        return (self.partial / self._listing_file).exists()

    def _journal(self) -> list[str]:
        journal = self.partial / _JOURNAL
        text = journal.read_text(encoding='utf-8') if journal.exists() else ''
        # What follows the last line end is a line that was cut short.
        return text[: text.rfind('\n') + 1].splitlines(keepends=True)

    def _stored(self, lines: list[str]) -> list[str]:
        """The lines up to the first image that is not on disk."""
        if self._encoding == 'files':
            present = {key_for(path.stem) for path in self.partial.glob('*.png')}
            return [*takewhile(lambda line: line.startswith(_LEFT_OUT) or line.split('.png ')[0] in present, lines)]
        with self._database() as database:
            stored = int(database.stat()['entries'])
        listed = list(accumulate(not line.startswith(_LEFT_OUT) for line in lines))
        return lines[: bisect_right(listed, stored)]

    def _put(self, records: Sequence[Record]) -> None:
        # Opened anew for every batch: LMDB fills the unused ends of pages with what it wrote before, so that a store
        # written in one go and one that was continued would differ there.
        try:
            with self._database() as database, database.begin(write=True) as transaction:
                for record in records:
                    transaction.put(record.entry.key.encode(), record.value)
        except lmdb.MapFullError:
            if self._map_size > _LARGEST_MAP:
                raise
            self._map_size *= 2
            self._put(records)
        except lmdb.Error as error:
            # LMDB calls it an input/output error where a part could still be written.
            missing = sum(len(record.value) for record in records) - shutil.disk_usage(self.partial).free
            if isinstance(error, lmdb.DiskError) or missing > 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path)) from error
            raise

    def _database(self) -> lmdb.Environment:
        return lmdb.open(os.fsencode(self.partial), map_size=self._map_size, lock=False)


def _line(item: Record | LeftOut) -> str:
    """The line of the journal for an image, with its end."""
    if isinstance(item, Record):
        return f'{item.entry.line()}\n'
    return f'{_LEFT_OUT}{json.dumps(item)}\n'


def _left_out(lines: Sequence[str]) -> dict[str, str]:
    return dict(json.loads(line[len(_LEFT_OUT) :]) for line in lines if line.startswith(_LEFT_OUT))
