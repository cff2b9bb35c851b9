"""The launchers' command line, beside BasicSR's own ``parse_options``."""

import random
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from basicsr.utils import dist_util
from basicsr.utils import options as toolbox

import basicsr.train
from bsr_plugin import launch
from bsr_plugin.errors import InputError
from bsr_plugin.toolbox.command_line import parse_options


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A current folder with what the option files ask for."""
    monkeypatch.chdir(tmp_path)
    for folder in ('HR_x4.lmdb', 'LR_x4.lmdb', 'HR_x4', 'LR_x4'):
        (tmp_path / folder).mkdir()
    return tmp_path


@pytest.fixture
def command_line(monkeypatch, here):
    """Sets the words after the program's name, with ``x.yml`` holding the options."""

    def apply(options, *words):
        (here / 'x.yml').write_text(yaml.safe_dump(options, sort_keys=False))
        monkeypatch.setattr(sys, 'argv', ['train.py', '-opt', 'x.yml', *words])

    return apply


def plain(options):
    if isinstance(options, dict):
        return {key: plain(value) for key, value in options.items()}
    return options


@pytest.mark.parametrize(
    'words',
    [
        [],
        ['--auto_resume'],
        ['--debug'],
        ['--debug', '--auto_resume', '--local_rank', '3'],
        ['--force_yml', 'train:ema_decay=0.999', 'name=other', 'val:val_freq=7'],
        ['--force_yml', 'name=debug_me'],
        ['--force_yml', 'datasets:val:filename_tmpl={}x4', 'num_gpu=0', 'train:grad_clip=none'],
        ['--force_yml', 'train:scheduler:milestones=[10, 20]', 'logger:use_tb_logger=False'],
    ],
    ids=' '.join,
)
def test_training_options_are_basicsrs(training, command_line, words):
    command_line(training, *words)
    stock, stock_arguments = toolbox.parse_options('/root', is_train=True)
    options, arguments = parse_options('/root', is_train=True)
    assert options == plain(stock)
    assert vars(arguments) == vars(stock_arguments)


@pytest.mark.parametrize('words', [[], ['--debug'], ['--force_yml', 'val:save_img=false']], ids=' '.join)
def test_test_options_are_basicsrs(testing, command_line, words):
    testing['manual_seed'] = 0
    command_line(testing, *words)
    stock, _ = toolbox.parse_options('/root', is_train=False)
    options, _ = parse_options('/root', is_train=False)
    assert options == plain(stock)


def test_training_without_validation_is_basicsrs(training, command_line):
    del training['val'], training['datasets']['val']
    command_line(training, '--debug')
    stock, _ = toolbox.parse_options('/root', is_train=True)
    assert parse_options('/root', is_train=True)[0] == plain(stock)


@pytest.mark.parametrize(
    ('launcher', 'variable', 'program'), [('pytorch', 'RANK', 'torchrun'), ('slurm', 'SLURM_PROCID', 'srun')]
)
def test_a_launcher_that_has_not_started_the_process_is_one_sentence(
    training, command_line, monkeypatch, launcher, variable, program
):
    monkeypatch.delenv(variable, raising=False)
    command_line(training, '--launcher', launcher)
    with pytest.raises(InputError, match=f'--launcher {launcher} requires processes started by {program}'):
        parse_options('/nowhere', is_train=True)


def test_homes_are_basicsrs(training, command_line, here, monkeypatch):
    monkeypatch.setenv('HOME', str(here))
    (here / 'net.pth').touch()
    training['datasets']['train']['dataroot_lq'] = '~/LR_x4.lmdb'
    training['path']['pretrain_network_g'] = '~/net.pth'
    command_line(training)
    stock, _ = toolbox.parse_options('/root', is_train=True)
    options, _ = parse_options('/root', is_train=True)
    assert options == plain(stock)
    assert options['path']['pretrain_network_g'] == str(here / 'net.pth')


def test_numbers_without_a_dot_arrive_as_floats_where_basicsr_hands_on_text(training, command_line, here):
    training['train']['optim_g']['lr'] = 0.125
    command_line(training)
    file = here / 'x.yml'
    file.write_text(file.read_text().replace('lr: 0.125', 'lr: 125e-3'))
    stock, _ = toolbox.parse_options('/root', is_train=True)
    assert stock['train']['optim_g']['lr'] == '125e-3'
    assert parse_options('/root', is_train=True)[0]['train']['optim_g']['lr'] == 0.125


@pytest.mark.parametrize('seed', [0, 7, None])
def test_random_numbers_are_seeded_as_basicsr_seeds_them(training, command_line, seed):
    training['manual_seed'] = seed

    def drawn(parse):
        random.seed(5)
        options, _ = parse('/root', is_train=True)
        return options['manual_seed'], random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002

    command_line(training)
    assert drawn(parse_options) == drawn(toolbox.parse_options)


@pytest.mark.parametrize(
    ('words', 'dist_params', 'call'),
    [
        (['--launcher', 'pytorch', '--force_yml', 'num_gpu=0'], None, ('pytorch', {'backend': 'gloo'})),
        (['--launcher', 'pytorch'], {'backend': 'nccl', 'port': 29500}, ('pytorch', {})),
        (['--launcher', 'slurm'], {'backend': 'gloo', 'port': 29501}, ('slurm', {'backend': 'gloo', 'port': 29501})),
        (['--launcher', 'slurm'], None, ('slurm', {})),
    ],
)
def test_processes_are_joined_once_the_options_are_right(training, command_line, monkeypatch, words, dist_params, call):
    calls = []
    for variable in ('RANK', 'SLURM_PROCID'):
        monkeypatch.setenv(variable, '0')
    monkeypatch.setattr(dist_util, 'init_dist', lambda launcher, **settings: calls.append((launcher, settings)))
    monkeypatch.setattr(dist_util, 'get_dist_info', lambda: (3, 4))
    training['dist_params'] = dist_params
    command_line(training, *words)
    options, _ = parse_options('/root', is_train=True)
    assert calls == [call]
    assert (options['dist'], options['rank'], options['world_size']) == (True, 3, 4)
    assert torch.initial_seed() == training['manual_seed'] + 3
    command_line({**training, 'scal': 4}, *words)
    with pytest.raises(InputError):
        parse_options('/root', is_train=True)
    assert len(calls) == 1


def test_absent_test_sets_are_named_and_left_out(testing, command_line, capsys):
    testing['datasets']['test_2'] |= {
        'dataroot_gt': 'Manga109/HR_x4',
        'dataroot_lq': 'Manga109/LR_x4',
        'name': 'Manga109',
    }
    command_line(testing)
    options, _ = parse_options('/root', is_train=False)
    assert list(options['datasets']) == ['test_1']
    assert 'Skipping Manga109: folder Manga109/HR_x4 does not exist.\n' in capsys.readouterr().out


def test_sections_stay_in_the_order_of_the_file(training, command_line):
    sets = training['datasets']
    training['datasets'] = {'val_2': {**sets['val'], 'name': 'b'}, 'train': sets['train'], 'val': sets['val']}
    command_line(training)
    assert list(parse_options('/root', is_train=True)[0]['datasets']) == ['val_2', 'train', 'val']


def test_the_launcher_stops_before_anything_is_created(training, command_line, here, capsys):
    del training['train']['total_iter']
    training['datasets']['train']['gt_sizee'] = 192
    command_line(training)
    before = sorted(here.rglob('*'))
    assert launch.train(here) == 2
    assert capsys.readouterr().err == (
        'train.py: x.yml: `datasets.train.gt_sizee`: did you mean `gt_size`?\nx.yml: `train.total_iter`: missing\n'
    )
    assert sorted(here.rglob('*')) == before


def test_the_launcher_hands_the_toolbox_checked_options(training, command_line, here, monkeypatch):
    stock, seen = basicsr.train.parse_options, []

    def pipeline(root_path):
        seen.append(basicsr.train.parse_options(root_path, is_train=True)[0])

    monkeypatch.setattr(basicsr.train, 'train_pipeline', pipeline)
    command_line(training, '--force_yml', 'train:optim_g:lr=1e-3')
    assert launch.train(here) == 0
    assert seen[0]['train']['optim_g']['lr'] == 1e-3
    assert seen[0]['path']['models'] == str(Path(here) / 'experiments' / 'tiny' / 'models')
    assert not isinstance(seen[0], OrderedDict)
    assert basicsr.train.parse_options is stock


@pytest.mark.parametrize(('is_train', 'key'), [(True, 'experiments_root'), (False, 'results_root')])
def test_runs_can_be_kept_in_another_folder(training, testing, command_line, is_train, key):
    options = training if is_train else testing
    options['path'][key] = '/elsewhere'
    command_line(options)
    path = parse_options('/root', is_train)[0]['path']
    assert path[key] == path['log'] == f'/elsewhere/{options["name"]}'
