"""Where processes run."""

import os
import subprocess
import sys

import pytest

from bsr_plugin.errors import InputError
from bsr_plugin.study import process
from bsr_plugin.study.slots import slots, visible_gpus


def test_one_process_on_each_core_of_this_process():
    cores = sorted(os.sched_getaffinity(0))
    found = slots(None, [])
    assert [slot.core for slot in found] == cores
    assert {slot.environment['OMP_NUM_THREADS'] for slot in found} == {'1'}
    assert {slot.environment['CUDA_VISIBLE_DEVICES'] for slot in found} == {''}


def test_more_jobs_than_cores_share_them_and_fewer_take_the_first():
    cores = sorted(os.sched_getaffinity(0))
    found = slots(2 * len(cores) + 1, [])
    assert [slot.core for slot in found] == [*cores, *cores, cores[0]]
    assert len(set(found)) == len(found)
    assert [slot.core for slot in slots(1, [])] == cores[:1]


def test_one_process_on_each_gpu():
    found = slots(None, ['3', '5'])
    assert [(slot.core, slot.environment['CUDA_VISIBLE_DEVICES']) for slot in found] == [(None, '3'), (None, '5')]
    shared = slots(3, ['3', '5'])
    assert [slot.environment['CUDA_VISIBLE_DEVICES'] for slot in shared] == ['3', '5', '3']


def test_gpus_are_those_that_are_visible(monkeypatch):
    monkeypatch.setattr('torch.cuda.device_count', lambda: 2)
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '4,GPU-abc')
    assert visible_gpus() == ['4', 'GPU-abc']
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES')
    assert visible_gpus() == ['0', '1']


def test_no_jobs_are_refused():
    with pytest.raises(InputError, match='--jobs is 0: use 1 or more'):
        slots(0, [])


def test_what_processes_are_forked_from_has_not_asked_cuda_for_gpus():
    program = (
        'import torch\n'
        'def asked(): raise AssertionError("after this, forked processes cannot use the GPUs")\n'
        'torch.cuda.is_available = asked\n'
        f'for name in {process._PRELOADED}: __import__(name)\n'
        'print(torch.cuda.device_count())\n'
    )
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, check=False)
    assert done.stdout.strip().isdigit(), done.stderr
