"""Small networks, small images and small runs for the engine's tests."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml

REPOSITORY = Path(__file__).parents[2]
#: What a program needs to find the GPU and to compute on it twice alike.
PASSED_ON = ('LD_LIBRARY_PATH', 'CUDA_VISIBLE_DEVICES', 'CUBLAS_WORKSPACE_CONFIG')


@pytest.fixture(autouse=True)
def _one_thread():
    """Networks this small are slower on two threads, many times slower on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope='session')
def pairs(tmp_path_factory):
    """A folder with HR/ and LR/: four smooth random images and their halves."""
    folder = tmp_path_factory.mktemp('pairs')
    generator = np.random.default_rng(0)
    for side in ('HR', 'LR'):
        (folder / side).mkdir()
    for index in range(4):
        noise = generator.integers(0, 256, (64 + 16 * index, 96, 3)).astype(np.float32)
        image = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 1.5), None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
        cv2.imwrite(str(folder / 'HR' / f'photo{index}.png'), image)
        cv2.imwrite(str(folder / 'LR' / f'photo{index}.png'), cv2.resize(image, None, fx=0.5, fy=0.5))
    return folder


def merged(base, changes):
    """``base`` with the entries of ``changes``, section by section; ``...`` deletes one, another ``type`` all."""
    if changes.get('type', base.get('type')) != base.get('type'):
        base = {}
    result = dict(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        result[key] = merged(base[key], value) if both else value
    return {key: value for key, value in result.items() if value is not ...}


@pytest.fixture
def options(pairs):
    """Makes the contents of an option file: a BSRNet of 1,600 weights, batches of 4, validation on two images."""

    def make(**changes):
        folders = {'dataroot_gt': str(pairs / 'HR'), 'dataroot_lq': str(pairs / 'LR'), 'io_backend': {'type': 'disk'}}
        base = {
            'name': 'tiny',
            'model_type': 'BSRModel',
            'scale': 2,
            'num_gpu': 0,
            'manual_seed': 3,
            'datasets': {
                'train': {
                    'name': 'Train',
                    'type': 'RFSPairedImageDataset',
                    **folders,
                    'gt_size': 24,
                    'num_worker_per_gpu': 0,
                    'batch_size_per_gpu': 4,
                    'dataset_enlarge_ratio': 5,
                },
                'val': {'name': 'Val', 'type': 'PairedImageDataset', **folders},
            },
            'network_g': {'type': 'BSRNet', 'num_feat': 4, 'num_group': 2, 'num_block': 2, 'upscale': 2},
            'path': {'pretrain_network_g': None, 'strict_load_g': True, 'resume_state': None},
            'train': {
                'ema_decay': 0.9,
                'optim_g': {'type': 'Adam', 'lr': 1e-3, 'betas': [0.9, 0.99]},
                'scheduler': {'type': 'MultiStepLR', 'milestones': [7], 'gamma': 0.5},
                'total_iter': 12,
                'pixel_opt': {'type': 'HybridL1L2LpLoss'},
            },
            'val': {
                'val_freq': 4,
                'save_img': False,
                'metrics': {'psnr': {'type': 'calculate_psnr', 'crop_border': 2, 'test_y_channel': True}},
            },
            'logger': {'print_freq': 2, 'save_checkpoint_freq': 4, 'use_tb_logger': False},
        }
        return merged(base, changes)

    return make


@pytest.fixture
def build(tmp_path, options):
    """Builds a model in this process, as ``basicsr.train`` does; ``resume=N`` goes on from the state of iteration N."""
    from basicsr.models import build_model

    from bsr_plugin.toolbox.resume import load_resume_state

    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def make(resume=None, is_train=True, root=tmp_path, **changes):
        opt = {**options(**changes), 'dist': False, 'rank': 0, 'world_size': 1, 'is_train': is_train}
        experiment = root / 'experiments' / opt['name']
        folders = {'models': experiment / 'models', 'training_states': experiment / 'training_states'}
        for folder in folders.values():
            folder.mkdir(parents=True, exist_ok=True)
        opt['path'] = {**opt['path'], **{name: str(folder) for name, folder in folders.items()}}
        opt['path']['visualization'] = str(experiment / 'visualization')
        opt['auto_resume'] = False
        state = None
        if resume is not None:
            opt['path']['resume_state'] = str(folders['training_states'] / f'{resume}.state')
            state = load_resume_state(opt)
        torch.manual_seed(0)
        model = build_model(opt)
        if state:
            model.resume_training(state)
        return model

    yield make
    for number, handler in previous.items():
        signal.signal(number, handler)


@pytest.fixture
def batches():
    """A deterministic list of batches of four 12 pixel LR patches."""

    def make(count):
        generator = torch.Generator().manual_seed(7)
        return [
            {
                'lq': torch.rand(4, 3, 12, 12, generator=generator),
                'gt': torch.rand(4, 3, 24, 24, generator=generator),
                'lq_path': [f'batch{batch}_image{index}.png' for index in range(4)],
            }
            for batch in range(1, count + 1)
        ]

    return make


@pytest.fixture
def train():
    """Runs the inner part of BasicSR's training loop over some of the batches, counted from 1."""

    def run(model, batches, first=1, last=None, save_at=()):
        for iteration in range(first, (last or len(batches)) + 1):
            model.update_learning_rate(iteration, warmup_iter=-1)
            model.feed_data(batches[iteration - 1])
            model.optimize_parameters(iteration)
            if iteration in save_at:
                model.save(0, iteration)
        return model

    return run


class Run:
    """A training run of its own process, started by the launcher of a copy of this repository's ``basicsr/``."""

    def __init__(self, root, opt, programs):
        self.root, self.programs = root, programs
        self.experiment = root / 'experiments' / opt['name']
        self.models, self.states = self.experiment / 'models', self.experiment / 'training_states'
        self.option_file = root / 'run.yml'
        tag = 'bsr_plugin: !!python/name:bsr_plugin.__version__\n'
        self.option_file.write_text(tag + yaml.safe_dump(opt, sort_keys=False))
        shutil.copytree(REPOSITORY / 'basicsr', root / 'basicsr', dirs_exist_ok=True)

    def start(self, *words, variables=None, script='train.py'):
        """Starts the launcher with ``words`` after its option file; the caller waits for it."""
        return self.programs.fork(self._program(script, *words), {**self._environment(), **(variables or {})})

    def start_with_torchrun(self, *words, processes, script='train.py'):
        """Starts the launcher as torchrun's ``processes`` ranks."""
        torchrun = [sys.executable, '-m', 'torch.distributed.run', '--standalone', f'--nproc_per_node={processes}']
        program = [*torchrun, *self._program(script, *words), '--launcher', 'pytorch']
        pipes = {'stdout': subprocess.PIPE, 'stderr': subprocess.STDOUT}
        return self.programs.start(program, self._environment(), cwd='/', **pipes)

    def finish(self, *words, processes=1, script='train.py'):
        """Runs the launcher to its end, as one or two ranks; gives the exit status and the output."""
        if processes == 2:
            program = self._program(script, *words, '--launcher', 'pytorch')
            return self.programs.run_two_ranks(program, self._environment())
        process = self.start(*words, script=script)
        output, _ = self.programs.finish(process)
        return process.returncode, output

    def _program(self, script, *words):
        return [self.root / 'basicsr' / script, '-opt', self.option_file, *words]

    def _environment(self):
        return {
            **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
            'PYTHONPATH': os.pathsep.join([str(REPOSITORY), os.environ.get('PYTHONPATH', '')]),
            'OMP_NUM_THREADS': '1',
            'PATH': '/usr/bin:/bin',
            'HOME': str(self.root),
        }

    def weights(self, iteration):
        """The weights of an iteration, by entry and name."""
        return torch.load(self.models / f'net_g_{iteration}.pth', weights_only=True)

    def saved(self):
        """Iterations with a state, in order."""
        return sorted(int(path.stem) for path in self.states.glob('*.state')) if self.states.is_dir() else []


@pytest.fixture
def training_run(tmp_path, options, programs):
    """Makes a ``Run`` in a folder of its own."""

    def make(name='run', **changes):
        root = tmp_path / name
        root.mkdir()
        return Run(root, options(**changes), programs)

    return make


@pytest.fixture(scope='session')
def same():
    """Whether two nested checkpoints hold the same bits."""

    def equal(left, right):
        if isinstance(left, torch.Tensor):
            return left.dtype == right.dtype and torch.equal(left, right)
        if isinstance(left, dict):
            return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
        if isinstance(left, list | tuple):
            return len(left) == len(right) and all(map(equal, left, right))
        return left == right

    return equal
