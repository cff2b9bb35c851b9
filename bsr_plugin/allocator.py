"""Memory of large tensors on the CPU.

The C library asks the system for every block above some size (32 MiB at most in glibc) and gives it back at once, so
each operation on a large activation has its memory mapped, zeroed and faulted in anew: a third to a half of the time of
an image of 500 x 500 pixels with 48 channels, a seventh of that of a training step at x4. Kept blocks cost what the
largest moment costs, for as long as the process runs.
"""

import ctypes
import os
import sys

#: Parameters of mallopt(3).
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
#: Bytes; larger blocks are still given back.
_KEPT = 1 << 30
#: What says that somebody has tuned the allocator already, or has put another in its place.
_TUNED = ('MALLOC_MMAP_THRESHOLD_', 'MALLOC_TRIM_THRESHOLD_', 'MALLOC_TOP_PAD_', 'GLIBC_TUNABLES', 'LD_PRELOAD')


def keep_freed_memory() -> bool:
    """Has the process keep the memory of freed blocks for the next ones; results are the same.

    Does nothing where the C library is not glibc, or where the environment tunes or replaces its allocator.

    Returns:
        Whether memory is kept.
    """
    if not sys.platform.startswith('linux') or any(map(os.environ.get, _TUNED)):
        return False
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is None or not mallopt(_TRIM_THRESHOLD, _KEPT):
        return False
    # glibc up to 2.34 takes no threshold above 32 MiB; there, no block gets a mapping of its own.
    return bool(mallopt(_MMAP_THRESHOLD, _KEPT) or mallopt(_MMAP_MAX, 0))
