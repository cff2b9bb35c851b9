"""Reading a memory map once, from end to end, without keeping all of it in memory."""

import ctypes
import mmap
import sys
from typing import Any

from numpy.typing import NDArray


def drop_pages(view: NDArray[Any]) -> None:
    """Gives the pages behind a contiguous view of a read-only memory map back to the system (Linux).

    A later read brings them back. Pages that the view shares with its neighbours are left alone.
    """
    if not sys.platform.startswith('linux'):
        return
    address = view.__array_interface__['data'][0]
    start = -(-address // mmap.PAGESIZE) * mmap.PAGESIZE
    length = (address + view.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE - start
    if length > 0:
        ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), mmap.MADV_DONTNEED)
