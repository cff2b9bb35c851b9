"""A tiny study: a network of 8 features, images drawn here, two variants and two seeds."""

import cv2
import numpy as np
import pytest
import torch
import yaml

from bsr_plugin.evaluation.results import ImageResult, RunResult, SetResult, write_results
from bsr_plugin.models import checkpoint
from bsr_plugin.study.planning import plan_study

METRICS = {
    'psnr_y': {'type': 'calculate_psnr', 'crop_border': 2, 'test_y_channel': True},
    'ssim_y': {'type': 'calculate_ssim', 'crop_border': 2, 'test_y_channel': True},
}


@pytest.fixture(scope='session')
def pictures(tmp_path_factory):
    """A folder with HR/ and LR/: three smooth random images and their halves."""
    folder = tmp_path_factory.mktemp('pictures')
    generator = np.random.default_rng(0)
    for side in ('HR', 'LR'):
        (folder / side).mkdir()
    for index in range(3):
        noise = generator.integers(0, 256, (48 + 16 * index, 64, 3)).astype(np.float32)
        image = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 1.5), None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
        cv2.imwrite(str(folder / 'HR' / f'picture{index}.png'), image)
        cv2.imwrite(str(folder / 'LR' / f'picture{index}.png'), cv2.resize(image, None, fx=0.5, fy=0.5))
    return folder


@pytest.fixture
def base(pictures):
    """The options of the base: 30 iterations, a validation of two sets every tenth, a checkpoint every fifth."""
    folders = {
        'dataroot_gt': str(pictures / 'HR'),
        'dataroot_lq': str(pictures / 'LR'),
        'io_backend': {'type': 'disk'},
    }
    return {
        'name': 'base',
        'model_type': 'BSRModel',
        'scale': 2,
        'num_gpu': 0,
        'manual_seed': 0,
        'datasets': {
            'train': {
                'name': 'Train',
                'type': 'RFSPairedImageDataset',
                **folders,
                'gt_size': 24,
                'num_worker_per_gpu': 0,
                'batch_size_per_gpu': 4,
                'dataset_enlarge_ratio': 50,
            },
            'val': {'name': 'First', 'type': 'PairedImageDataset', **folders},
            'val_2': {'name': 'Second', 'type': 'RFSPairedImageDataset', **folders},
        },
        'network_g': {'type': 'BSRNet', 'num_feat': 8, 'num_group': 2, 'num_block': 1, 'upscale': 2},
        'path': {'pretrain_network_g': None, 'strict_load_g': True, 'resume_state': None},
        'train': {
            'ema_decay': 0.9,
            'optim_g': {'type': 'Adam', 'lr': 1e-3},
            'scheduler': {'type': 'MultiStepLR', 'milestones': [20], 'gamma': 0.5},
            'total_iter': 30,
            'pixel_opt': {'type': 'HybridL1L2LpLoss', 'l1_weight': 0.2},
        },
        'val': {'val_freq': 10, 'save_img': False, 'metrics': METRICS},
        'logger': {'print_freq': 1, 'save_checkpoint_freq': 5, 'use_tb_logger': False},
    }


@pytest.fixture
def study_file(tmp_path, base):
    """Writes a study file and its base; ``changes`` replace keys of the study file, ``of_base`` those of the base."""

    def write(of_base=None, **changes):
        study = {
            'name': 'Tiny study',
            'base': 'base.yml',
            'seeds': [1, 2],
            'reference': 'uniform',
            'variants': {'rfs': None, 'uniform': {'datasets': {'train': {'sampling': 'uniform'}}}},
            **changes,
        }
        file = tmp_path / 'study.yml'
        file.write_text(yaml.safe_dump({key: value for key, value in study.items() if value is not ...}))
        (tmp_path / 'base.yml').write_text(yaml.safe_dump({**base, **(of_base or {})}))
        return file

    return write


@pytest.fixture
def plan(study_file):
    """The checked study."""
    return plan_study(study_file())


@pytest.fixture
def results():
    """Writes the metrics.json of a run."""

    def make(folder, names=('First', 'Second'), psnr=30.0, skipped=(), where=None):
        image = ImageResult('a', '/a.png', None, None, {'psnr_y': psnr, 'ssim_y': 0.9})
        sets = [SetResult(name, 2, 'bicubic', [image], list(skipped), dict(image.values)) for name in names]
        metrics = folder.cell.test['val']['metrics']
        return write_results(where or folder.results, RunResult('x', {}, 1, '/w.pth', 'params', metrics, sets))

    return make


@pytest.fixture
def checkpoint_at():
    """Writes a checkpoint as far as resuming looks at it; ``validated`` makes it one of BSRModel's."""

    def make(folder, iteration, **further):
        weights = checkpoint.write(folder.models / f'net_g_{iteration}.pth', {'params': {'w': torch.zeros(1)}})
        state = {'epoch': 0, 'iter': iteration, 'optimizers': [], 'schedulers': [], **further}
        checkpoint.write(
            folder.states / f'{iteration}.state', {**state, 'weights': {f'net_g_{iteration}.pth': weights}}
        )

    return make


@pytest.fixture
def validations():
    """Writes a TensorBoard log with validations."""

    def make(folder, iterations, names=('First', 'Second')):
        from torch.utils.tensorboard import SummaryWriter

        with SummaryWriter(str(folder.log)) as writer:
            for iteration in iterations:
                for name in names:
                    for metric in folder.metrics:
                        writer.add_scalar(f'metrics/{name}/{metric}', 30.1 + iteration, iteration)

    return make
