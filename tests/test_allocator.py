import os
import subprocess
import sys
from types import SimpleNamespace

from bsr_plugin import allocator

#: Tells, by mallinfo2(3), whether a large tensor has a mapping of its own, and whether its memory stays when it goes.
PROGRAM = """
import ctypes, sys
import torch
from bsr_plugin.allocator import keep_freed_memory

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in ('arena', 'ordblks', 'smblks', 'hblks', 'hblkhd')] + [
        ('others', ctypes.c_size_t * 5)
    ]

library = ctypes.CDLL(None)
library.mallinfo2.restype = Info

kept = keep_freed_memory()
before = library.mallinfo2()
tensor = torch.ones(25_000_000)
during = library.mallinfo2()
del tensor
after = library.mallinfo2()
held = [info.arena + info.hblkhd for info in (during, after)]
print(kept, during.hblkhd - before.hblkhd >= 100_000_000, held[0] <= held[1])
"""


def run(program=PROGRAM, **variables):
    environment = {name: value for name, value in os.environ.items() if not name.startswith('MALLOC_')}
    done = subprocess.run(
        [sys.executable, '-c', program], env=environment | variables, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_large_blocks_stay_with_the_process():
    assert run() == ['True', 'False', 'True']


def test_an_allocator_that_is_tuned_stays_as_it_is():
    assert run(MALLOC_TRIM_THRESHOLD_='134217728') == ['False', 'True', 'False']


def test_older_c_libraries_that_refuse_the_threshold_give_no_block_a_mapping(monkeypatch):
    asked = []

    def mallopt(parameter, value):
        asked.append((parameter, value))
        return int(parameter != -3 or value <= 32 << 20)  # glibc up to 2.34

    for variable in allocator._TUNED:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(allocator.ctypes, 'CDLL', lambda name: SimpleNamespace(mallopt=mallopt))
    assert allocator.keep_freed_memory()
    assert asked == [(-1, 1 << 30), (-3, 1 << 30), (-4, 0)]
    # That does here what the threshold does.
    asking = 'ctypes.CDLL(None).mallopt(-1, 1 << 30); kept = bool(ctypes.CDLL(None).mallopt(-4, 0))'
    assert run(PROGRAM.replace('kept = keep_freed_memory()', asking)) == ['True', 'False', 'True']
