"""The option files of this repository: right, and what they say can be built."""

import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from basicsr.archs import build_network
from basicsr.data import build_dataset
from basicsr.losses import build_loss
from basicsr.utils.options import ordered_yaml

from bsr_plugin.data.prepare import Preparation, prepare
from bsr_plugin.data.sources import SOURCES
from bsr_plugin.options import load_options
from bsr_plugin.options.loader import read_options
from bsr_plugin.toolbox.command_line import parse_options

RECIPES = ('BSR_x2', 'BSR_x3', 'BSR_x4', 'BSR_x3_blur-down')
ABLATIONS = ('without_RFS', 'without_SC', 'L2', 'L2_L1')
TRAINING = [f'train_{recipe}' for recipe in RECIPES] + [f'ablation/train_BSR_x4_{name}' for name in ABLATIONS]
TESTS = [f'test_{recipe}' for recipe in RECIPES] + [f'ablation/test_BSR_x4_{name}' for name in ABLATIONS]
HR_FOLDERS = [f'datasets/{part.target}' for archives in SOURCES.values() for one in archives for part in one.folders]
BENCHMARKS = ('Set5', 'Set14', 'BSD100', 'Urban100', 'Manga109')


def options_of(shipped, name):
    return load_options(shipped / f'{name}.yml', is_train='train_' in name, check_paths=False)


def scale_of(name):
    return int(name.partition('BSR_x')[2][0])


def degradation_of(name):
    return 'blur-down' if 'blur-down' in name else 'bicubic'


def flat(options, path=''):
    for key, value in options.items():
        if isinstance(value, dict):
            yield from flat(value, f'{path}{key}.')
        else:
            yield f'{path}{key}', value


def test_every_file_of_the_folder_is_right(shipped):
    files = sorted(file for file in shipped.rglob('*.yml') if file.parent.name != 'studies')
    assert {f'{name}.yml' for name in (*TRAINING, *TESTS)} <= {str(file.relative_to(shipped)) for file in files}
    for file in files:
        load_options(file, is_train=file.name.startswith('train_'), check_paths=False)
        assert file.read_text().startswith('bsr_plugin: !!python/name:bsr_plugin.__version__')


@pytest.mark.parametrize('name', TRAINING + TESTS)
def test_basicsrs_own_loader_reads_the_same(shipped, name):
    with (shipped / f'{name}.yml').open() as file:
        assert file.readline() == 'bsr_plugin: !!python/name:bsr_plugin.__version__\n'
        file.seek(0)
        stock = yaml.load(file, Loader=ordered_yaml()[0])
    assert stock == read_options(shipped / f'{name}.yml') == options_of(shipped, name)


@pytest.mark.parametrize('name', TRAINING)
def test_the_recipe_is_the_papers(shipped, name):
    options, scale = options_of(shipped, name), scale_of(name)
    train, network = options['datasets']['train'], options['network_g']
    assert (options['scale'], network['upscale'], train['gt_size']) == (scale, scale, 48 * scale)
    assert (network['num_group'], network['num_block'], network['num_feat']) == (10, 12, 64)
    assert train['batch_size_per_gpu'] == 16
    assert 800 * train['dataset_enlarge_ratio'] == 1000 * 16
    assert options['train']['optim_g'] == {'type': 'Adam', 'lr': 2e-4, 'weight_decay': 0, 'betas': [0.9, 0.99]}
    assert options['train']['scheduler'] == {
        'type': 'MultiStepLR',
        'milestones': [100_000, 200_000, 300_000, 400_000],
        'gamma': 0.1,
    }
    assert options['train']['total_iter'] == 500_000
    assert train['dataroot_lq'] == f'datasets/DIV2K/LR_{degradation_of(name)}_x{scale}.lmdb'
    assert train['dataroot_gt'] == f'datasets/DIV2K/HR_x{scale}.lmdb'
    assert [options['datasets'][key]['name'] for key in ('val', 'val_2')] == ['Set5', 'Set14']
    assert options['name'] == name.partition('/')[2] or name


@pytest.mark.parametrize('name', TRAINING + TESTS)
def test_the_metrics_are_those_of_published_tables(shipped, name):
    crop = {'crop_border': scale_of(name)}
    assert options_of(shipped, name)['val']['metrics'] == {
        'psnr_y': {'type': 'calculate_psnr', **crop, 'test_y_channel': True},
        'ssim_y': {'type': 'calculate_ssim', **crop, 'test_y_channel': True},
        'psnr_rgb': {'type': 'calculate_psnr', **crop, 'test_y_channel': False},
    }


@pytest.mark.parametrize('name', TESTS)
def test_a_test_uses_what_its_training_file_makes(shipped, name):
    options = options_of(shipped, name)
    trained = options_of(shipped, name.replace('test_', 'train_'))
    assert options['network_g'] == trained['network_g']
    assert options['path']['pretrain_network_g'] == f'experiments/{trained["name"]}/models/net_g_latest.pth'
    sets = [dataset['name'] for dataset in options['datasets'].values()]
    assert sets == (['Set5'] if 'ablation' in name else list(BENCHMARKS))
    for dataset in options['datasets'].values():
        assert dataset == {
            'name': dataset['name'],
            'type': 'SRBenchmarkDataset',
            'dataroot_gt': f'datasets/{dataset["name"]}/GTmod12',
            'degradation': degradation_of(name),
        }
        assert dataset['dataroot_gt'] in HR_FOLDERS or dataset['name'] == 'Manga109'


@pytest.mark.parametrize(
    ('ablation', 'difference'),
    [
        (
            'without_RFS',
            {
                'datasets.train.sampling': 'uniform',
                'datasets.train.pic_bins': None,
                'datasets.train.pic_quantile': None,
                'datasets.train.pic_channels': None,
            },
        ),
        ('without_SC', {'network_g.skip_connections': False}),
        ('L2', {'train.pixel_opt.l1_weight': 0, 'train.pixel_opt.lp_weight': 0}),
        ('L2_L1', {'train.pixel_opt.lp_weight': 0}),
    ],
)
def test_an_ablation_differs_in_what_it_is_named_after(shipped, ablation, difference):
    baseline = dict(flat(options_of(shipped, 'train_BSR_x4')))
    changed = dict(flat(options_of(shipped, f'ablation/train_BSR_x4_{ablation}')))
    found = {key: changed.get(key) for key in baseline if changed.get(key) != baseline[key] and key != 'name'}
    assert found == difference
    assert set(changed) <= set(baseline)
    assert changed['datasets.train.use_hflip'] is changed['datasets.train.use_rot'] is True


@pytest.mark.parametrize('name', TRAINING)
def test_the_network_is_built(shipped, name):
    with torch.device('meta'):  # shapes without numbers
        network = build_network(options_of(shipped, name)['network_g'])
        enlarged = network(torch.empty(1, 3, 6, 5))
    body = [module for key, module in network.named_modules() if key.startswith('body') and hasattr(module, 'weight')]
    assert len(body) == 240
    assert network.conv_fuse.in_channels == 64 * (2 if 'without_SC' in name else 11)
    assert enlarged.shape == (1, 3, 6 * scale_of(name), 5 * scale_of(name))


@pytest.mark.parametrize('name', TRAINING)
def test_the_loss_is_built(shipped, name):
    loss = build_loss(options_of(shipped, name)['train']['pixel_opt'])
    pred, target = torch.full((1, 3, 4, 4), 0.75), torch.full((1, 3, 4, 4), 0.5)
    l2, l1, lp = 0.25**2, 0.1 * 0.25, 0.01 * ((0.25**2 + 1e-6) ** 0.25 - 1e-3**0.5)
    expected = {'L2': l2, 'L2_L1': l2 + l1}.get(name.partition('_x4_')[2], l2 + l1 + lp)
    assert loss(pred, target).item() == pytest.approx(expected, rel=1e-5)


@pytest.fixture(scope='module')
def prepared(tmp_path_factory):
    """A folder with the data sets that the option files name, where their first lines put them."""
    originals, root = tmp_path_factory.mktemp('originals'), tmp_path_factory.mktemp('prepared')
    generator = np.random.default_rng(0)
    for number in range(2):
        noise = generator.integers(0, 256, (20, 21, 3), np.uint8)
        cv2.imwrite(str(originals / f'{number}.png'), cv2.resize(noise, (208, 200), interpolation=cv2.INTER_CUBIC))
    for recipe in RECIPES:
        scale, degradation = scale_of(recipe), degradation_of(recipe)
        prepare(Preparation(originals, root / 'datasets/DIV2K', scale, degradation))
    for benchmark in BENCHMARKS:
        shutil.copytree(originals, root / 'datasets' / benchmark / 'GTmod12')
    return root


@pytest.mark.parametrize('name', TRAINING)
def test_the_data_sets_of_a_training_are_built(shipped, prepared, monkeypatch, name):
    monkeypatch.chdir(prepared)
    monkeypatch.setattr(sys, 'argv', ['train.py', '-opt', str(shipped / f'{name}.yml')])
    options, _ = parse_options('.', is_train=True)
    scale, datasets = scale_of(name), options['datasets']
    train_set = build_dataset(datasets['train'])
    batch = train_set.__getitems__(range(16))
    assert [sample['lq'].shape for sample in batch] == [(3, 48, 48)] * 16
    assert [sample['gt'].shape for sample in batch] == [(3, 48 * scale, 48 * scale)] * 16
    assert train_set.index.bins == 16
    for key in ('val', 'val_2'):
        pair = build_dataset(datasets[key])[0]
        assert pair['lq'].shape == (3, 200 // scale, 208 // scale)
        assert pair['gt'].shape == (3, 200 // scale * scale, 208 // scale * scale)


@pytest.mark.parametrize('name', TESTS)
def test_the_data_sets_of_a_test_are_built(shipped, prepared, monkeypatch, name):
    monkeypatch.chdir(prepared)
    weights = Path(options_of(shipped, name)['path']['pretrain_network_g'])
    weights.parent.mkdir(parents=True, exist_ok=True)
    weights.touch()
    monkeypatch.setattr(sys, 'argv', ['test.py', '-opt', str(shipped / f'{name}.yml')])
    options, _ = parse_options('.', is_train=False)
    for dataset in options['datasets'].values():
        pairs = build_dataset(dataset)
        assert len(pairs) == 2
        assert pairs[1]['gt'].shape[1] == pairs[1]['lq'].shape[1] * scale_of(name)
