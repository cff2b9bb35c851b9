"""Boxes, which JPEG 2000, HEIF and AVIF files consist of (ISO/IEC 15444-1 annex I, 14496-12 section 4.2)."""

import os
import struct
from collections.abc import Iterator
from typing import IO, NamedTuple


class Box(NamedTuple):
    """A box: its kind, and where in the file its content begins and ends."""

    kind: bytes
    start: int
    end: int


def boxes(file: IO[bytes], start: int = 0, end: int | None = None) -> Iterator[Box]:
    """The boxes between two places of a file, by default its outermost ones."""
    end = file.seek(0, os.SEEK_END) if end is None else end
    while start + 8 <= end:
        file.seek(start)
        head = file.read(16)
        size, kind = struct.unpack('>I4s', head[:8])
        length = 8
        if size == 1 and len(head) == 16:
            (size,) = struct.unpack('>Q', head[8:])
            length = 16
        last = size < length  # 0: as far as the file
        yield Box(kind, start + length, end if last else min(end, start + size))
        if last:
            return
        start += size


def bits_of_jpeg2000(file: IO[bytes]) -> list[int]:
    """Bits of the samples of every component of a JPEG 2000 file (15444-1 section A.5.1).

    Raises:
        struct.error: The file ends too early.
    """
    file.seek(next((box.start for box in boxes(file) if box.kind == b'jp2c'), 0))
    (components,) = struct.unpack('>40xH', file.read(42))
    return [1 + (depth & 0x7F) for depth in file.read(3 * components)[::3]]


def colours_of_jpeg2000(file: IO[bytes]) -> int | None:
    """Number of the colour space of a JPEG 2000 file (15444-1 section I.5.3.3); ``None`` if it has none by number.

    Raises:
        struct.error: The file ends too early.
    """
    header = next((box for box in boxes(file) if box.kind == b'jp2h'), None)
    first = next((box for box in boxes(file, *header[1:]) if box.kind == b'colr'), None) if header else None
    if first is None:
        return None
    file.seek(first.start)
    method, number = struct.unpack('>B2xI', file.read(7))
    return number if method == 1 else None
