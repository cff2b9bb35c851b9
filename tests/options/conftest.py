from copy import deepcopy
from pathlib import Path

import pytest

from bsr_plugin.options import check_options

ROOT = Path(__file__).resolve().parents[2]

METRIC = {'type': 'calculate_psnr', 'crop_border': 4, 'test_y_channel': True}

TRAINING = {
    'name': 'tiny',
    'model_type': 'BSRModel',
    'scale': 4,
    'num_gpu': 'auto',
    'manual_seed': 0,
    'datasets': {
        'train': {
            'name': 'train',
            'type': 'RFSPairedImageDataset',
            'dataroot_gt': 'HR_x4.lmdb',
            'dataroot_lq': 'LR_x4.lmdb',
            'io_backend': {'type': 'lmdb'},
            'gt_size': 192,
            'num_worker_per_gpu': 1,
            'batch_size_per_gpu': 16,
        },
        'val': {
            'name': 'Set5',
            'type': 'PairedImageDataset',
            'dataroot_gt': 'HR_x4',
            'dataroot_lq': 'LR_x4',
            'io_backend': {'type': 'disk'},
        },
    },
    'network_g': {'type': 'BSRNet', 'upscale': 4},
    'path': {'resume_state': None},
    'train': {
        'total_iter': 500,
        'optim_g': {'type': 'Adam', 'lr': 2e-4},
        'scheduler': {'type': 'MultiStepLR', 'milestones': [100]},
        'pixel_opt': {'type': 'HybridL1L2LpLoss'},
    },
    'val': {'val_freq': 100, 'save_img': False, 'metrics': {'psnr_y': METRIC}},
    'logger': {'print_freq': 10, 'save_checkpoint_freq': 100, 'use_tb_logger': True},
}

TEST = {
    'name': 'tiny',
    'model_type': 'SRModel',
    'scale': 4,
    'num_gpu': 0,
    'datasets': {'test_1': TRAINING['datasets']['val'], 'test_2': {**TRAINING['datasets']['val'], 'name': 'Set14'}},
    'network_g': {'type': 'BSRNet'},
    'path': {'pretrain_network_g': None},
    'val': {'save_img': True, 'suffix': None, 'metrics': {'psnr_y': METRIC}},
}


@pytest.fixture
def training():
    """Options of a training run that nothing is wrong with."""
    return deepcopy(TRAINING)


@pytest.fixture
def testing():
    """Options of a test run that nothing is wrong with."""
    return deepcopy(TEST)


@pytest.fixture
def change():
    """``change(options, 'a.b', value)`` sets a value in place, and deletes the key without one."""

    def apply(options, path, *value):
        *parents, key = path.split('.')
        for parent in parents:
            options = options[parent]
        if value:
            options[key] = value[0]
        else:
            del options[key]

    return apply


@pytest.fixture
def problems():
    """The problems of options, apart from those of the machine."""
    return lambda options, is_train=True: check_options(options, is_train, check_paths=False)


@pytest.fixture
def shipped():
    """The option files of this repository."""
    return ROOT / 'options'
