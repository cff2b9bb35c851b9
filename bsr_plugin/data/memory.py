"""Reading a memory map once, from end to end, without keeping all of it in memory."""

import ctypes
import mmap
import sys
from typing import Any

from numpy.typing import NDArray


def drop_pages(view: NDArray[Any]) -> None:
    """Gives the pages behind a view of a read-only memory map back to the system; a later read brings them back.

    Pages that the view shares with its neighbours are left alone. Does nothing where there is no ``madvise``.

    Args:
        view: A contiguous array that shows part of a file mapped read-only; never memory that was written to.
    """
    if not sys.platform.startswith('linux'):
        return
    address = view.__array_interface__['data'][0]
    start = -(-address // mmap.PAGESIZE) * mmap.PAGESIZE
    length = (address + view.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE - start
    if length > 0:
        ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), mmap.MADV_DONTNEED)
