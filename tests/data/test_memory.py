import mmap
import sys
from pathlib import Path

import numpy as np
import pytest

from bsr_plugin.data.memory import drop_pages

MEGABYTES = 40


@pytest.fixture
def mapped(tmp_path):
    content = np.arange(MEGABYTES << 20, dtype=np.uint32).astype(np.uint8)
    content.tofile(tmp_path / 'file')
    with (tmp_path / 'file').open('rb') as file:
        yield content, np.frombuffer(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ), np.uint8)


def resident_megabytes():
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * mmap.PAGESIZE / (1 << 20)


def test_pages_leave_and_come_back_with_the_same_bytes(mapped):
    content, view = mapped
    assert np.array_equal(view, content)
    if sys.platform.startswith('linux'):
        before = resident_megabytes()
        drop_pages(view[5:-5])
        assert before - resident_megabytes() > 0.8 * MEGABYTES
    else:
        drop_pages(view[5:-5])
    assert np.array_equal(view, content)


def test_less_than_a_page_is_left_alone(mapped):
    content, view = mapped
    drop_pages(view[10:100])
    drop_pages(view[:0])
    assert np.array_equal(view[:4096], content[:4096])
