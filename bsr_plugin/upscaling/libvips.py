"""libvips, set up in one place: no cache, nothing untrusted, errors in one line.

It reads and writes image files row by row, with their metadata and colour profiles.
"""

import logging

import pyvips

__all__ = ['first_line', 'pyvips']

#: Its warnings come again as errors, which have an answer.
logging.getLogger('pyvips').setLevel(logging.CRITICAL)
#: A file that was replaced would be taken for what it was.
pyvips.cache_set_max(0)
#: Readers that are not fit for files of unknown origin.
pyvips.block_untrusted_set(True)


def first_line(error: pyvips.Error) -> str:
    """What libvips says went wrong, without the name of its operation."""
    told = error.detail.strip().splitlines() if error.detail else [error.message]
    return told[0].rpartition('Vips')[2].partition(': ')[2] or told[0]
