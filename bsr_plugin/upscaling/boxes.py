"""Boxes, which HEIF, AVIF and JPEG 2000 files consist of (ISO/IEC 14496-12 section 4.2, 15444-1 annex I)."""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


def is_sequence(path: Path) -> bool:
    """Whether a HEIF or AVIF file holds an animation, of which libvips takes the first image for all."""
    with path.open('rb') as file:
        boxes = _boxes(file)
        return next(boxes, (b'', 0))[0] == b'ftyp' and any(kind == b'moov' for kind, _ in boxes)


def bits_of_jpeg2000(path: Path) -> int:
    """Bits of the samples of a JPEG 2000 file, the most that one of its components has (15444-1 section A.5.1).

    Raises:
        struct.error: The file ends too early.
    """
    with path.open('rb') as file:
        file.seek(next((start for kind, start in _boxes(file) if kind == b'jp2c'), 0))
        (components,) = struct.unpack('>40xH', file.read(42))
        return max((1 + (depth & 0x7F) for depth in file.read(3 * components)[::3]), default=0)


def _boxes(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Kinds of the outermost boxes, each with the place in the file where its content begins."""
    end = file.seek(0, os.SEEK_END)
    start = 0
    while start + 8 <= end:
        file.seek(start)
        head = file.read(16)
        size, kind = struct.unpack('>I4s', head[:8])
        length = 8
        if size == 1 and len(head) == 16:
            (size,) = struct.unpack('>Q', head[8:])
            length = 16
        yield kind, start + length
        if size < length:  # 0: as far as the file
            return
        start += size
