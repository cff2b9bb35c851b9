"""EXIF of TIFF files, which libvips neither reads nor writes: there it is no block, but tags and directories.

TIFF 6.0 section 2, BigTIFF, and Exif 2.32 section 4.6.3. Pillow reads and encodes the directories; the first directory
of a file that is written is copied to its end, with the tags added, and the file's head is pointed at the copy.
"""

import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image, TiffImagePlugin
from PIL.ExifTags import IFD, Base

#: Tags of the first directory that tell of the photograph and not of how its pixels are stored, all of them text.
_TEXT = (
    *(Base.ImageDescription, Base.Make, Base.Model, Base.Software, Base.DateTime, Base.Artist, Base.HostComputer),
    Base.Copyright,
)
_DIRECTORIES = (IFD.Exif, IFD.GPSInfo)
#: What a copy of the directory would point to is left behind.
_POINTER = IFD.Interop
_ASCII, _LONG, _UNDEFINED, _LONG8 = 2, 4, 7, 16
#: Bytes of a value of each kind.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
#: What Pillow raises of damaged EXIF.
_DAMAGED = (SyntaxError, ValueError, TypeError, KeyError, struct.error)


@dataclass(frozen=True)
class _Layout:
    """How a TIFF of 32 or of 64 bits writes its head and directories: formats of ``struct``, and bytes.

    Attributes:
        head: Size of the head.
        start: Where in the head the place of the first directory stands.
        offset: Format of a place in the file.
        count: Format of the number of entries.
        entry: Format of an entry: tag, kind, count, and the data or their place.
        pointer: Kind of an entry that is a place.
    """

    head: int
    start: int
    offset: str
    count: str
    entry: str
    pointer: int


_CLASSIC = _Layout(8, 4, 'I', 'H', 'HHI4s', _LONG)
_BIG = _Layout(16, 8, 'Q', 'Q', 'HHQ8s', _LONG8)


def read_exif(path: Path) -> bytes | None:
    """The EXIF block that a JPEG would have in the place of a TIFF's tags; ``None`` without such tags.

    It has no orientation, thumbnail or number on how the pixels are stored. Damaged tags count as none.
    """
    texts: dict[int, Any] = {}
    groups: dict[int, dict[int, Any]] = {}
    try:
        with path.open('rb') as file:
            _, layout = _order_and_layout(file)
            file.seek(0)
            head = file.read(layout.head)
            first = TiffImagePlugin.ImageFileDirectory_v2(head)
            first.load(_at(file, first.next))
            texts |= {tag: first[tag] for tag in _TEXT if tag in first}
            for group in _DIRECTORIES:
                if group in first:
                    directory = TiffImagePlugin.ImageFileDirectory_v2(head, group=group)
                    directory.load(_at(file, first[group]))
                    groups[group] = {tag: directory[tag] for tag in directory if tag != _POINTER}
        if not texts and not any(groups.values()):
            return None
        block = BytesIO(b'II*\0' + bytes(4))
        _add(block, '<', _CLASSIC, {}, texts, groups)
        return b'Exif\0\0' + block.getvalue()
    except (OSError, *_DAMAGED):
        return None


def append_exif(path: Path, block: bytes, width: int, height: int) -> None:
    """Adds the tags of an EXIF block to a TIFF file, with the size of its image in pixels.

    The file stays as it is but for what is behind its end, if the block is damaged.
    """
    exif = Image.Exif()
    with path.open('r+b') as file, suppress(*_DAMAGED):
        exif.load(block)
        order, layout = _order_and_layout(file)
        groups: dict[int, dict[int, Any]] = {
            group: {tag: value for tag, value in exif.get_ifd(group).items() if tag != _POINTER}
            for group in _DIRECTORIES
        }
        if groups[IFD.Exif]:
            groups[IFD.Exif] |= {Base.ExifImageWidth: width, Base.ExifImageHeight: height}
        _add(file, order, layout, _entries(file, order, layout), exif, groups)


def _add(
    file: BinaryIO,
    order: str,
    layout: _Layout,
    entries: dict[int, bytes],
    texts: Mapping[int, Any],
    groups: Mapping[int, Mapping[int, Any]],
) -> None:
    """Puts a first directory at the end, of entries that are there and of tags, and points the file's head at it."""
    for tag in _TEXT:
        if isinstance(text := texts.get(tag), str):
            data = _stored(text) + b'\0'
            entries[tag] = _entry(file, order, layout, (tag, _ASCII, len(data), data))
    for group, values in groups.items():
        if values:
            place = _append(file, _encoded(file, order, layout, _values(order, group, values)))
            pointer = struct.pack(order + layout.offset, place)
            entries[group] = _entry(file, order, layout, (group, layout.pointer, 1, pointer))
    start = _append(file, _directory(order, layout, entries))
    _at(file, layout.start).write(struct.pack(order + layout.offset, start))


def _stored(text: str) -> bytes:
    """Text as it stands in files: Pillow decodes it as Latin-1, whatever it is, often UTF-8."""
    return text.encode('latin-1', 'replace')


def _at(file: BinaryIO, place: int) -> BinaryIO:
    file.seek(place)
    return file


def _order_and_layout(file: BinaryIO) -> tuple[str, _Layout]:
    head = _at(file, 0).read(4)
    order = '<' if head[:2] == b'II' else '>'
    return order, _BIG if struct.unpack(f'{order}H', head[2:]) == (43,) else _CLASSIC


def _read(file: BinaryIO, form: str) -> tuple[Any, ...]:
    return struct.unpack(form, file.read(struct.calcsize(form)))


def _entries(file: BinaryIO, order: str, layout: _Layout) -> dict[int, bytes]:
    """The first directory: tag -> entry as it stands in the file."""
    (start,) = _read(_at(file, layout.start), order + layout.offset)
    (count,) = _read(_at(file, start), order + layout.count)
    size = struct.calcsize(order + layout.entry)
    entries = [file.read(size) for _ in range(count)]
    return {struct.unpack(f'{order}H', entry[:2])[0]: entry for entry in entries}


def _values(order: str, group: int, values: Mapping[int, Any]) -> Iterator[tuple[int, int, int, bytes]]:
    """Tag, kind, count and data of values as Pillow encodes them, in a TIFF of 32 bits that has nothing else."""
    head = struct.pack(f'{order}2sHI', b'II' if order == '<' else b'MM', 42, 8)
    directory = TiffImagePlugin.ImageFileDirectory_v2(head, group=group)
    for tag, value in values.items():
        if group == IFD.Exif and isinstance(value, bytes):
            directory.tagtype[tag] = _UNDEFINED
        elif (group, tag) in ((IFD.Exif, Base.ExifImageWidth), (IFD.Exif, Base.ExifImageHeight)):
            directory.tagtype[tag] = _LONG
        elif isinstance(value, str):
            directory.tagtype[tag], value = _ASCII, _stored(value)
        directory[tag] = value
    file = BytesIO(head + directory.tobytes(len(head)))
    for entry in _entries(file, order, _CLASSIC).values():
        tag, kind, count, data = struct.unpack(order + _CLASSIC.entry, entry)
        size = count * _SIZES[kind]
        if size > len(data):
            data = _at(file, struct.unpack(f'{order}I', data)[0]).read(size)
        yield tag, kind, count, data[:size]


def _append(file: BinaryIO, data: bytes) -> int:
    """Puts data at the end, at an even place, and gives the place."""
    end = file.seek(0, os.SEEK_END)
    file.write(b'\0' * (end % 2) + data)
    return end + end % 2


def _entry(file: BinaryIO, order: str, layout: _Layout, value: tuple[int, int, int, bytes]) -> bytes:
    """An entry of a directory; data that does not fit in is put at the end of the file."""
    tag, kind, count, data = value
    if len(data) > struct.calcsize(order + layout.offset):
        data = struct.pack(order + layout.offset, _append(file, data))
    return struct.pack(order + layout.entry, tag, kind, count, data)


def _encoded(file: BinaryIO, order: str, layout: _Layout, values: Iterator[tuple[int, int, int, bytes]]) -> bytes:
    return _directory(order, layout, {value[0]: _entry(file, order, layout, value) for value in values})


def _directory(order: str, layout: _Layout, entries: Mapping[int, bytes]) -> bytes:
    """Entries in the order of their tags, after their number and before the place of a next directory: none."""
    count, none = struct.pack(order + layout.count, len(entries)), struct.pack(order + layout.offset, 0)
    return count + b''.join(entry for _, entry in sorted(entries.items())) + none
