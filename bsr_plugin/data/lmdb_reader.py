"""Reading LMDBs that no longer change, safely in every process.

A memory map of a file that is shorter than its reader believes kills the process, so the length is compared with
LMDB's own last page before any page is read. An environment must not be used in a process that was forked after it
was opened, and must be open once in a process: readers are shared within a process and opened anew in a forked one.
"""

import os
import threading
import time
from pathlib import Path
from typing import Any
from weakref import WeakSet, WeakValueDictionary, finalize

import lmdb
import numpy as np
from numpy.typing import NDArray

from bsr_plugin.errors import InputError

DATA_FILE = 'data.mdb'


class Database:
    """Values of an LMDB by key. It opens at the first value and may be pickled and inherited by forked processes.

    Attributes:
        views: Room for arrays on the memory map that are used again and again; a fork empties it.
    """

    def __init__(self, path: Path):
        self._path = path
        self._reader: _Reader | None = None
        self.views: dict[int, NDArray[np.uint8]] = {}
        _DATABASES.add(self)

    def check(self) -> None:
        """Raises ``InputError`` if the database cannot be opened or is cut short, and leaves it closed."""
        _reader_of(self._path)

    def get(self, key: bytes) -> memoryview | None:
        """The value of a key, a view of the memory map; ``None`` where there is none. Any thread may ask."""
        if self._reader is None:
            self._reader = _reader_of(self._path)
        value = self._reader.get(key)
        return None if value is None else np.asarray(_Mapped(value, self._reader)).data

    def forget(self) -> None:
        """Drops the reader; the next value opens one."""
        self._reader = None
        self.views = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return Database, (self._path,)


class _Mapped:
    """Mapped bytes that keep their reader, and with it the map: py-lmdb's own views do not."""

    def __init__(self, value: memoryview, reader: '_Reader'):
        address = np.frombuffer(value, np.uint8).__array_interface__['data']
        self.__array_interface__ = {'data': address, 'shape': (len(value),), 'typestr': '|u1', 'version': 3}
        self._reader = reader


class _Reader:
    """One read transaction on an LMDB, for as long as anything reads it."""

    def __init__(self, path: Path):
        self._path = path
        try:
            self._environment = _opened(path)
        except lmdb.Error as error:
            raise InputError(f'{path} cannot be opened ({error}): make it again with bsr prepare.') from error
        needed = (self._environment.info()['last_pgno'] + 1) * self._environment.stat()['psize']
        size = (path / DATA_FILE).stat().st_size
        if size < needed:
            self._environment.close()
            raise InputError(
                f'{path} is cut short ({DATA_FILE} has {size} of {needed} bytes): copy it again, or remove it and '
                'make it again with bsr prepare.'
            )
        self._transaction = self._environment.begin(buffers=True)
        # Closed explicitly: py-lmdb leaves open what a forked process inherits, and refuses to open it again. Not
        # in __del__, during which another thread could still get this reader.
        finalize(self, self._environment.close).atexit = False
        self.lock = threading.Lock()

    def get(self, key: bytes) -> memoryview | None:
        """The value of a key, a view of the map that lives as long as this reader; ``None`` where there is none.

        Raises:
            InputError: The database is damaged.
        """
        # A transaction serves one thread at a time.
        with self.lock:
            try:
                return self._transaction.get(key)
            except lmdb.Error as error:
                raise InputError(f'{self._path} is damaged ({error}): make it again with bsr prepare.') from error


_DATABASES: 'WeakSet[Database]' = WeakSet()
#: Readers in use, by device and inode.
_READERS: 'WeakValueDictionary[tuple[int, int], _Reader]' = WeakValueDictionary()
_opening = threading.Lock()
#: Seconds that another thread may take to close what it no longer uses.
_CLOSING = 5.0


def _opened(path: Path) -> lmdb.Environment:
    patience = time.monotonic() + _CLOSING
    while True:
        try:
            # Without locks: nobody writes, and a read-only folder has room for none.
            return lmdb.open(os.fsencode(path), readonly=True, lock=False, readahead=False)
        except lmdb.Error as error:  # noqa: PERF203
            if 'already open' not in str(error) or time.monotonic() > patience:
                raise
            time.sleep(0.001)


def _reader_of(path: Path) -> _Reader:
    status = (path / DATA_FILE).stat()
    place = status.st_dev, status.st_ino
    with _opening:
        reader = _READERS.get(place)
        if reader is None:
            reader = _READERS[place] = _Reader(path)
    return reader


def _open_anew_after_a_fork() -> None:
    """Makes a forked process drop the readers that it inherits.

    Only a view that was made before the fork keeps its map, and then that map is used further: there are no locks and
    no reader slots in it that would be the other process's.
    """
    global _opening
    _opening = threading.Lock()
    for database in _DATABASES:
        database.forget()
    for reader in list(_READERS.values()):
        reader.lock = threading.Lock()


os.register_at_fork(after_in_child=_open_anew_after_a_fork)
