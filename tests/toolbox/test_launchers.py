"""The launchers' functions, in this process: what they pass on, and what they leave behind."""

import importlib
import multiprocessing
import os
import signal
import socket
import sys
from pathlib import Path

import pytest
import torch

from bsr_plugin import launch
from bsr_plugin.errors import InputError
from bsr_plugin.models.failures import Interrupted


@pytest.mark.parametrize(('function', 'name'), [('train', 'train_pipeline'), ('test', 'test_pipeline')])
def test_launchers_pass_the_root_and_say_what_is_wrong(monkeypatch, capsys, function, name):
    module = importlib.import_module(f'basicsr.{function}')
    given = []
    monkeypatch.setattr(module, name, given.append)
    assert getattr(launch, function)(Path('/somewhere')) == 0
    assert given == ['/somewhere']

    def refuse(root_path):
        raise InputError('gt_size is 97: use a multiple of 2.')

    monkeypatch.setattr(module, name, refuse)
    monkeypatch.setattr(sys, 'argv', [f'basicsr/{function}.py'])
    assert getattr(launch, function)(Path('/somewhere')) == 2
    assert capsys.readouterr() == ('', f'{function}.py: gt_size is 97: use a multiple of 2.\n')


def test_slurm_launcher_joins_processes(tmp_path, monkeypatch):
    from basicsr.utils import dist_util

    scontrol = tmp_path / 'scontrol'
    scontrol.write_text('#!/bin/sh\necho localhost\n')
    scontrol.chmod(0o755)
    with socket.socket() as free:
        free.bind(('localhost', 0))
        port = free.getsockname()[1]
    slurm = {'SLURM_PROCID': '0', 'SLURM_NTASKS': '1', 'SLURM_NODELIST': 'node'}
    set_by_the_toolbox = dict.fromkeys(('MASTER_PORT', 'MASTER_ADDR', 'WORLD_SIZE', 'LOCAL_RANK', 'RANK'), '')
    for name, value in {**slurm, **set_by_the_toolbox, 'PATH': f'{tmp_path}:{os.environ["PATH"]}'}.items():
        monkeypatch.setenv(name, value)
    dist_util._init_dist_slurm('nccl', port=port)
    try:
        assert dist_util.get_dist_info() == (0, 1)
        assert torch.distributed.get_backend() == ('nccl' if torch.cuda.is_available() else 'gloo')
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.parametrize(('ending', 'status', 'left'), [(None, 0, True), (InputError('x'), 2, False)])
def test_a_job_leaves_its_process_group_when_it_is_done(monkeypatch, ending, status, left):
    """A rank that fails alone must not wait for the others."""
    import basicsr.train

    calls = []
    monkeypatch.setattr(torch.distributed, 'is_initialized', lambda: True)
    monkeypatch.setattr(torch.distributed, 'destroy_process_group', lambda: calls.append('left'))

    def pipeline(root_path):
        if ending is not None:
            raise ending

    monkeypatch.setattr(basicsr.train, 'train_pipeline', pipeline)
    assert launch.train(Path('/somewhere')) == status
    assert calls == ['left'] * left


def test_a_run_that_is_stopped_has_ended_its_workers_before_the_interpreter_exits(monkeypatch, tmp_path):
    others = set(multiprocessing.active_children())

    def train_pipeline(root):
        loader = torch.utils.data.DataLoader([0, 1, 2], num_workers=2, persistent_workers=True)
        next(iter(loader))
        assert len(set(multiprocessing.active_children()) - others) == 2
        raise Interrupted(signal.SIGTERM)

    monkeypatch.setattr('basicsr.train.train_pipeline', train_pipeline)
    with pytest.raises(Interrupted) as stopped:
        launch.train(tmp_path)
    assert stopped.value.code == 143
    assert set(multiprocessing.active_children()) == others
