"""The file format of the PIC index: a JSON header and memory-mapped arrays.

Layout, little endian: 8 bytes magic, 8 bytes header length, 16 bytes header digest (BLAKE2b), the header (JSON,
UTF-8), zeros up to 16 KiB, then the arrays, each at a multiple of 64 bytes. The header names every array with its type,
shape and offset from the start of the file, and gives the length of the file and the digest of all after the header.
Opening an index looks at the header and the length; :func:`check_arrays` reads every byte.

Seven arrays in one file, with a header that is checked before they are mapped and replaced together with them: ``.npy``
files can each hold one, and members of an ``.npz`` cannot be mapped.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

MAGIC = b'BSRPIC2\n'
_LENGTH_BYTES, _DIGEST_BYTES = 8, 16
_PREFIX = len(MAGIC) + _LENGTH_BYTES + _DIGEST_BYTES
_ALIGNMENT = 64
#: Room kept for the header, so that arrays can be written before the last one's length is known.
_HEADER_ROOM = 16384
_CHUNK = 1 << 22


class IndexFileError(Exception):
    """The file is not a PIC index, is damaged, or was written by another version."""


class ArraysWriter:
    """Writes arrays of known size in any order, and one of unknown length at the end.

    Args:
        file: Opened for writing and reading in binary mode, empty.
    """

    def __init__(self, file: BinaryIO):
        self._file = file
        self._end = _HEADER_ROOM
        self._arrays: dict[str, dict[str, Any]] = {}

    def reserve(self, name: str, dtype: DTypeLike, shape: tuple[int, ...]) -> None:
        """Gives an array its place; its content is written with :meth:`write`."""
        offset = -(-self._end // _ALIGNMENT) * _ALIGNMENT
        kind = np.dtype(dtype).newbyteorder('<')
        self._arrays[name] = {'dtype': kind.str, 'shape': list(shape), 'offset': offset}
        self._end = offset + kind.itemsize * int(np.prod(shape, dtype=np.int64))

    def write(self, name: str, values: NDArray[Any], start: int = 0) -> None:
        """Writes ``values`` into an array, from its flat element ``start`` on."""
        entry = self._arrays[name]
        data = np.ascontiguousarray(values, np.dtype(entry['dtype']))
        self._file.seek(entry['offset'] + start * data.itemsize)
        self._file.write(data.tobytes())

    def extend_last(self, name: str, length: int) -> None:
        """Sets the final length of the array that was reserved last."""
        self._arrays[name]['shape'] = [length]

    def finish(self, header: dict[str, Any]) -> None:
        """Writes the header; the file is complete afterwards."""
        end = max(_extent(entry) for entry in self._arrays.values())
        self._file.truncate(end)
        more = {'arrays': self._arrays, 'bytes': end, 'digest': _digest_of_arrays(self._file)}
        text = json.dumps({**header, **more}, ensure_ascii=False).encode()
        room = _HEADER_ROOM - _PREFIX
        if len(text) > room:
            raise ValueError(f'The header has {len(text)} bytes, room is for {room}.')
        self._file.seek(0)
        self._file.write(MAGIC + len(text).to_bytes(_LENGTH_BYTES, 'little') + _digest(text) + text)


def read_header(path: Path) -> dict[str, Any]:
    """Reads and checks the header.

    Raises:
        IndexFileError: Another kind of file, a damaged header, or a file of another length than it says.
    """
    try:
        with path.open('rb') as file:
            head = file.read(_HEADER_ROOM)
        size = path.stat().st_size
    except OSError as error:
        raise IndexFileError(f'{path} cannot be read as a PIC index ({error}).') from error
    if head[: len(MAGIC)] != MAGIC:
        raise IndexFileError(f'{path} is not a PIC index of this version.')
    length = int.from_bytes(head[len(MAGIC) : len(MAGIC) + _LENGTH_BYTES], 'little')
    text = head[_PREFIX : _PREFIX + length]
    if head[_PREFIX - _DIGEST_BYTES : _PREFIX] != _digest(text) or head[_PREFIX + length :].strip(b'\0'):
        raise IndexFileError(f'{path} has a damaged header.')
    header = json.loads(text)
    if size != header['bytes']:
        raise IndexFileError(f'{path} has {size} bytes instead of {header["bytes"]}.')
    return dict(header)


def check_arrays(path: Path) -> None:
    """Reads the whole file and compares its arrays with the digest in its header.

    Raises:
        IndexFileError: The file does not match its digest.
    """
    header = read_header(path)
    with path.open('rb') as file:
        if _digest_of_arrays(file) != header['digest']:
            raise IndexFileError(f'{path} does not match its digest.')


def map_arrays(path: Path, header: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """Memory-maps every array of the file, read-only; nothing is read until it is used."""
    whole = np.memmap(path, np.uint8, 'r')
    arrays: dict[str, NDArray[Any]] = {}
    for name, entry in header['arrays'].items():
        # Plain ndarray views: a memmap subclass costs a microsecond at every slice.
        view = np.asarray(whole)[entry['offset'] : _extent(entry)]
        arrays[name] = view.view(np.dtype(entry['dtype'])).reshape(entry['shape'])
    return arrays


def _digest(text: bytes) -> bytes:
    return hashlib.blake2b(text, digest_size=_DIGEST_BYTES).digest()


def _digest_of_arrays(file: BinaryIO) -> str:
    state = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    file.seek(_HEADER_ROOM)
    while chunk := file.read(_CHUNK):
        state.update(chunk)
    return state.hexdigest()


def _extent(entry: dict[str, Any]) -> int:
    items = int(np.prod(entry['shape'], dtype=np.int64))
    return int(entry['offset']) + np.dtype(entry['dtype']).itemsize * items
