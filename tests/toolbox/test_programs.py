"""Whole programs in processes of their own: the launchers, and programs of an unmodified toolbox with the plugin."""

import os
import shutil
import socket
import subprocess
import sys
from importlib import util
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from bsr_plugin.errors import InputError
from bsr_plugin.toolbox import launch

ROOT = Path(__file__).resolve().parents[2]

OPTIONS = """
bsr_plugin: !!python/name:bsr_plugin.__version__
name: tiny
model_type: SRModel
scale: 2
num_gpu: auto
manual_seed: 0
datasets:
  train: {{name: a, type: PairedImageDataset, dataroot_gt: {folder}/gt, dataroot_lq: {folder}/lq,
          io_backend: {{type: disk}}, gt_size: 32, use_hflip: true, use_rot: true, num_worker_per_gpu: 0,
          batch_size_per_gpu: 1, dataset_enlarge_ratio: 4, prefetch_mode: {prefetch_mode}, pin_memory: true}}
  val: {{name: b, type: PairedImageDataset, dataroot_gt: {folder}/gt, dataroot_lq: {folder}/lq,
         io_backend: {{type: disk}}}}
network_g: {{type: BSRNet, num_feat: 4, num_group: 1, num_block: 1, upscale: 2}}
path: {{pretrain_network_g: ~, strict_load_g: true, resume_state: ~}}
train:
  ema_decay: 0.9
  optim_g: {{type: Adam, lr: !!float 1e-3}}
  scheduler: {{type: MultiStepLR, milestones: [3], gamma: 0.5}}
  total_iter: {total_iter}
  pixel_opt: {{type: L1Loss}}
val:
  val_freq: {total_iter}
  save_img: false
  metrics: {{psnr: {{type: calculate_psnr, crop_border: 2}}}}
logger: {{print_freq: 1, save_checkpoint_freq: 2, use_tb_logger: true, wandb: {{project: ~}}}}
"""


def run(words, folder, **variables):
    """Runs Python and returns what it printed; any failure is an error that shows it."""
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=folder,
        env={**os.environ, 'OMP_NUM_THREADS': '1', **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture
def images(tmp_path):
    """Four pairs of random images in ``gt`` and ``lq``."""
    generator = np.random.default_rng(0)
    for name, side in (('gt', 64), ('lq', 32)):
        (tmp_path / name).mkdir()
        for index in range(4):
            cv2.imwrite(
                str(tmp_path / name / f'{index}.png'), generator.integers(0, 256, (side, side, 3), dtype=np.uint8)
            )
    return tmp_path


def option_file(folder, total_iter=4, prefetch_mode='~'):
    path = folder / 'tiny.yml'
    path.write_text(OPTIONS.format(folder=folder, total_iter=total_iter, prefetch_mode=prefetch_mode))
    return path


def iterations(log):
    """The iteration numbers that a training log reports."""
    return [int(line.split('iter:')[1].split(',')[0]) for line in log.splitlines() if '[epoch:' in line]


def test_toolbox_program_trains_and_resumes(images):
    """``basicsr/train.py`` of a toolbox checkout imports the toolbox before it reads of the plugin."""
    program = images / 'checkout/basicsr/train.py'
    program.parent.mkdir(parents=True)
    shutil.copy(util.find_spec('basicsr.train').origin, program)
    assert iterations(run([program, '-opt', option_file(images)], images / 'checkout')) == [1, 2, 3, 4]
    resume = [program, '-opt', option_file(images, total_iter=6), '--auto_resume']
    assert iterations(run(resume, images / 'checkout')) == [5, 6]
    folder = images / 'checkout/experiments/tiny'
    assert {path.name for path in (folder / 'training_states').iterdir()} == {'2.state', '4.state', '6.state'}
    assert sorted(torch.load(folder / 'models/net_g_latest.pth', weights_only=True)) == ['params', 'params_ema']


@pytest.fixture
def clone(images):
    """The launchers alone, so that experiments land in a folder of the test."""
    shutil.copytree(ROOT / 'basicsr', images / 'clone/basicsr', ignore=shutil.ignore_patterns('__pycache__'))
    return images / 'clone'


def test_launcher_trains_in_two_processes_without_gpu(clone):
    torchrun = ['-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2']
    options = option_file(clone.parent, prefetch_mode='cuda')
    log = run([*torchrun, 'basicsr/train.py', '-opt', options, '--launcher', 'pytorch'], clone, CUDA_VISIBLE_DEVICES='')
    assert 'World size (gpu number): 2' in log
    assert iterations(log) == [1, 2, 3, 4]
    assert 'DistributedDataParallel - BSRNet' in log


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


@pytest.mark.parametrize(('function', 'name'), [('train', 'train_pipeline'), ('test', 'test_pipeline')])
def test_launchers_pass_the_root_and_say_what_is_wrong(monkeypatch, capsys, function, name):
    import importlib

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
