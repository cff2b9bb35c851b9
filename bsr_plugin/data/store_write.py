"""Writing image stores so that a kill at any moment loses little and damages nothing.

A store grows in a hidden folder beside its final place, in batches. A batch is on disk as a whole or not at all, and
batches end at the same images in every run, so a store that was interrupted and continued has the same bytes as one
that was not. The finished folder is renamed to its final name: no reader ever sees a part.
"""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import lmdb
import numpy as np
from numpy.typing import NDArray

from bsr_plugin.atomic import fsync_path, replacing, write_text
from bsr_plugin.data.image_file import encode_png
from bsr_plugin.data.store import META_FILE, RAW, MetaEntry, digest_of, key_for

Encoding = Literal['raw', 'png', 'files']

STORE_FILE = 'store.json'
_PNG_COMPRESSION = 1
_JOURNAL = 'journal.txt'
#: LMDB's own pages and the unused end of the last page of every image.
_OVERHEAD_PER_IMAGE, _OVERHEAD = 3 * 4096, 1 << 22


@dataclass(frozen=True)
class Record:
    """An image on its way into a store."""

    name: str
    entry: MetaEntry
    value: bytes


def make_record(name: str, image: NDArray[np.uint8], encoding: Encoding) -> Record:
    """Encodes an image, (H, W, 3) BGR, and takes its digest."""
    value = image.tobytes() if encoding == 'raw' else encode_png(image, _PNG_COMPRESSION)
    level = RAW if encoding == 'raw' else str(_PNG_COMPRESSION)
    height, width, channels = image.shape
    return Record(name, MetaEntry(key_for(name), (height, width, channels), level, digest_of(value)), value)


class StoreWriter:
    """A store that is being written, or is complete already.

    Args:
        path: The final folder: ``*.lmdb`` for the encodings ``raw`` and ``png``, any other for ``files``.
        encoding: How images are stored.
        description: What the store is made from, as JSON values. A part that was begun for another description is
            thrown away, a finished store of another description is left alone (see :attr:`foreign`).
        pixels: Pixels of all images, which bounds the size of the database.
        images: Number of images.

    Attributes:
        count: Images that are safely on disk.
        complete: The store is at its final place.
        foreign: There is a finished store of another description in that place.
    """

    def __init__(self, path: Path, encoding: Encoding, description: dict[str, Any], pixels: int, images: int):
        self.path = path
        self.partial = path.with_name(f'.{path.name}.partial')
        self._encoding = encoding
        self._description = {'version': 1, 'encoding': encoding, **description}
        self._hidden = '.' if encoding == 'files' else ''
        self._map_size = pixels * 3 * 11 // 10 + images * _OVERHEAD_PER_IMAGE + _OVERHEAD
        self.complete = self._is_whole(path) and self._describes(path)
        self.foreign = path.exists() and not self.complete
        self.count = images if self.complete else 0
        if not path.exists():
            self._begin(images)

    def add(self, records: Sequence[Record]) -> None:
        """Puts one batch on disk; when this returns, it survives a crash."""
        lines = ''.join(f'{record.entry.line()}\n' for record in records)
        with (self.partial / _JOURNAL).open('a', encoding='utf-8') as journal:
            journal.write(lines)
            journal.flush()
            os.fsync(journal.fileno())
        if self._encoding == 'files':
            for record in records:
                with replacing(self.partial / f'{record.name}.png') as temporary:
                    temporary.write_bytes(record.value)
        else:
            self._put(records)
        self.count += len(records)

    def seal(self) -> None:
        """Completes the folder under its hidden name: the journal becomes the listing."""
        if not self._is_whole(self.partial):
            (self.partial / 'lock.mdb').unlink(missing_ok=True)
            (self.partial / _JOURNAL).rename(self.partial / f'{self._hidden}{META_FILE}')
            fsync_path(self.partial)

    def publish(self) -> None:
        """Moves the sealed folder to its final place."""
        self.partial.rename(self.path)
        fsync_path(self.path.parent)
        self.complete = True

    def discard(self) -> None:
        """Removes what has been written so far; a published store stays."""
        shutil.rmtree(self.partial, ignore_errors=True)

    def _begin(self, images: int) -> None:
        if self.partial.exists() and not self._describes(self.partial):
            shutil.rmtree(self.partial)
        for left_over in self.partial.glob('.*.tmp'):
            left_over.unlink()
        if self._is_whole(self.partial):
            self.count = images
            return
        self.partial.mkdir(parents=True, exist_ok=True)
        description = json.dumps(self._description, indent=1, ensure_ascii=False, sort_keys=True)
        write_text(self.partial / f'{self._hidden}{STORE_FILE}', description + '\n')
        journal = self.partial / _JOURNAL
        text = journal.read_text(encoding='utf-8') if journal.exists() else ''
        # What follows the last line end is a line that was cut short.
        lines = text[: text.rfind('\n') + 1].splitlines(keepends=True)
        if self._encoding == 'files':
            self.count = self._leading_files(lines)
        else:
            with self._database() as database:
                self.count = int(database.stat()['entries'])
        # A batch goes into the journal first: what is listed there and not in the store is written again.
        write_text(journal, ''.join(lines[: self.count]))

    def _leading_files(self, lines: list[str]) -> int:
        present = {key_for(path.stem) for path in self.partial.glob('*.png')}
        listed = [line.split('.png ')[0] for line in lines]
        return next((at for at, key in enumerate(listed) if key not in present), len(listed))

    def _is_whole(self, folder: Path) -> bool:
        return (folder / f'{self._hidden}{META_FILE}').exists()

    def _describes(self, folder: Path) -> bool:
        try:
            description = json.loads((folder / f'{self._hidden}{STORE_FILE}').read_text(encoding='utf-8'))
        except (OSError, ValueError):
            return False
        return bool(description == self._description)

    def _put(self, records: Sequence[Record]) -> None:
        # Opened anew for every batch: LMDB fills the unused ends of pages with what it wrote before, so that a store
        # written in one go and one that was continued would differ there.
        try:
            with self._database() as database, database.begin(write=True) as transaction:
                for record in records:
                    transaction.put(record.entry.key.encode(), record.value)
        except lmdb.MapFullError:
            self._map_size *= 2
            self._put(records)

    def _database(self) -> lmdb.Environment:
        return lmdb.open(str(self.partial), map_size=self._map_size, lock=False)
