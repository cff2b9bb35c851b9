"""A start that fails leaves the run before as it was: nothing is created, renamed or archived."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml

ROOT = Path(__file__).resolve().parents[2]
TAG = 'bsr_plugin: !!python/name:bsr_plugin.__version__\n'

#: What is changed in a good option file -> what the one sentence says.
TRAINING = {
    'name=.': 'name',
    'name=a/b': 'name',
    'datasets:train:gt_size=4000': 'gt_size',
    'datasets:train:dataroot_lq={here}/other': '3',
    'datasets:val:dataroot_gt={here}/nothing': 'nothing',
    'datasets:train:batch_size_per_gpu=64': 'dataset_enlarge_ratio',
    'path:pretrain_network_g={here}/missing.pth': 'missing.pth',
    'path:pretrain_network_g={here}/nan.pth': 'NaN or infinite',
    'path:param_key_g=parms_ema path:pretrain_network_g={here}/good.pth': 'has no entry parms_ema',
    'path:resume_state={here}/missing.state': 'missing.state',
    'train:amp=fp61': 'amp',
    'logger:use_tb_logger=true logger:wandb:project=sr': 'wandb is not installed',
}
TESTING = {
    'name=..': 'name',
    'val:suffix=a/b': 'suffix',
    'datasets:test_1:name=x/y': 'name',
    'datasets:test_1:dataroot_lq={here}/other': '3',
    'datasets:test_1:dataroot_gt={here}/empty datasets:test_1:dataroot_lq={here}/empty': 'empty',
    'path:pretrain_network_g={here}/nan.pth': 'NaN or infinite',
    'path:param_key_g=parms_ema': 'has no entry parms_ema',
    'network_g:num_feat=5': 'does not fit',
}


@pytest.fixture(scope='module')
def here(tmp_path_factory):
    """A folder with images, weights, the launchers, a run and its results."""
    folder = tmp_path_factory.mktemp('here')
    generator = np.random.default_rng(0)
    for name, side, count in (('gt', 48, 4), ('lq', 24, 4), ('other', 24, 3), ('empty', 0, 0)):
        (folder / name).mkdir()
        for index in range(count):
            pixels = generator.integers(0, 256, (side, side, 3), dtype=np.uint8)
            cv2.imwrite(str(folder / name / f'{index}.png'), pixels)
    from bsr_plugin.archs.bsr_arch import BSRNet

    weights = BSRNet(num_feat=4, num_group=1, num_block=1, upscale=2).state_dict()
    torch.save({'params': weights}, folder / 'good.pth')
    torch.save({'params': {**weights, 'conv_last.bias': torch.full((3,), torch.nan)}}, folder / 'nan.pth')
    (folder / 'basicsr').mkdir()
    for name in ('train.py', 'test.py'):
        (folder / 'basicsr' / name).write_text((ROOT / 'basicsr' / name).read_text())
    for name in ('experiments/keep/models/net_g_8.pth', 'tb_logger/keep/events', 'results/keep/metrics.json'):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text('of the run before')
    return folder


@pytest.fixture(params=['SRModel', 'BSRModel'])
def options(here, request):
    pairs = {
        'type': 'PairedImageDataset',
        'dataroot_gt': str(here / 'gt'),
        'dataroot_lq': str(here / 'lq'),
        'io_backend': {'type': 'disk'},
    }
    loading = {'gt_size': 16, 'use_hflip': True, 'use_rot': True, 'num_worker_per_gpu': 0, 'batch_size_per_gpu': 2}
    common = {
        'name': 'keep',
        'model_type': request.param,
        'scale': 2,
        'num_gpu': 0,
        'manual_seed': 0,
        'network_g': {'type': 'BSRNet', 'num_feat': 4, 'num_group': 1, 'num_block': 1, 'upscale': 2},
    }
    metrics = {'psnr': {'type': 'calculate_psnr', 'crop_border': 2}}
    training = {
        **common,
        'datasets': {'train': {'name': 'a', **pairs, **loading}, 'val': {'name': 'b', **pairs}},
        'path': {'pretrain_network_g': None, 'resume_state': None},
        'train': {
            'optim_g': {'type': 'Adam', 'lr': 1e-3},
            'scheduler': {'type': 'MultiStepLR', 'milestones': [3]},
            'total_iter': 3,
            'pixel_opt': {'type': 'L1Loss'},
        },
        'val': {'val_freq': 3, 'save_img': False, 'metrics': metrics},
        'logger': {'print_freq': 1, 'save_checkpoint_freq': 5, 'use_tb_logger': False, 'wandb': {'project': None}},
    }
    testing = {
        **common,
        'datasets': {'test_1': {'name': 'b', **pairs}},
        'path': {'pretrain_network_g': str(here / 'good.pth')},
        'val': {'save_img': True, 'suffix': None, 'metrics': metrics},
    }
    return {'train': training, 'test': testing}


@pytest.fixture
def in_process(here, monkeypatch, capfd):
    """Runs a launcher in this process; gives its exit status and what it said."""
    from bsr_plugin import launch

    def run(kind, options, changes):
        path = here / f'{kind}.yml'
        path.write_text(TAG + yaml.safe_dump(options[kind], sort_keys=False))
        words = [word.format(here=here) for word in changes.split()]
        monkeypatch.setattr(sys, 'argv', [f'{kind}.py', '-opt', str(path), '--force_yml', *words])
        capfd.readouterr()
        status = getattr(launch, kind)(here)
        return status, capfd.readouterr().err

    return run


def contents(folder):
    return {
        path: path.stat().st_mtime_ns
        for top in ('experiments', 'results', 'tb_logger')
        for path in (folder / top).rglob('*')
    }


@pytest.mark.parametrize('changes', TRAINING)
def test_training_that_cannot_start_touches_nothing(here, options, in_process, changes):
    before = contents(here)
    status, said = in_process('train', options, changes)
    assert status == 2
    assert TRAINING[changes] in said
    assert 'Traceback' not in said
    assert contents(here) == before


@pytest.mark.parametrize('changes', TESTING)
def test_a_test_that_cannot_start_touches_nothing(here, options, in_process, changes):
    before = contents(here)
    status, said = in_process('test', options, changes)
    assert status == 2
    assert TESTING[changes] in said
    assert contents(here) == before


@pytest.mark.slow
@pytest.mark.parametrize('options', ['BSRModel'], indirect=True)
def test_runs_that_can_start_archive_the_one_before_and_have_a_log(here, options, programs):
    environment = {'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1', 'PATH': '/usr/bin:/bin', 'HOME': str(here)}
    for kind, folder in (('train', 'experiments'), ('test', 'results')):
        path = here / f'{kind}.yml'
        path.write_text(TAG + yaml.safe_dump(options[kind], sort_keys=False))
        process = programs.fork([here / 'basicsr' / f'{kind}.py', '-opt', path], environment, cwd=here)
        printed, _ = programs.finish(process)
        assert process.returncode == 0, printed
        assert 'Path already exists. Rename it to' in printed
        archived = [path for path in (here / folder).iterdir() if '_archived_' in path.name]
        assert b'of the run before' in [path.read_bytes() for path in archived[0].rglob('*') if path.is_file()]
        (log,) = (here / folder / 'keep').glob(f'{kind}_keep_*.log')
        text = log.read_text()
        # What was logged while everything was opened stands behind the options, as ever.
        assert text.index('network_g:[') < text.index('Dataset [PairedImageDataset]') < text.index('Model [')
