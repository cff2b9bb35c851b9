"""``make model``: what it runs for each of the models that ship."""

import os
import shlex
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from bsr_plugin.weights import names

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT_IS_MADE = ('sources=', f'made={ROOT / "setup.py"}')


@pytest.fixture
def clone(tmp_path):
    """What make needs of the project, without data."""
    for name in ('Makefile', 'options'):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def make_model(name, *words, cwd=ROOT):
    # The tests may themselves be run by make, whose flags and level a make below it would take over.
    environment = {key: value for key, value in os.environ.items() if not key.startswith(('MAKE', 'MFLAGS'))}
    words = ['make', *words, 'model', f'NAME={name}', *ENVIRONMENT_IS_MADE]
    return subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def commands(name):
    """The programs that make would run, each with its words."""
    done = make_model(name, '--dry-run')
    assert done.returncode == 0, done.stderr
    lines = done.stdout.replace('\\\n', ' ').splitlines()
    return [shlex.split(line) for line in lines if line.startswith('.venv/bin/')]


@pytest.mark.parametrize('name', names())
def test_every_training_reads_what_was_prepared_before_it_and_the_last_is_the_recipe(name):
    ready, trained = set(), []
    for program, *words in commands(name):
        option = dict(pairwise(words))
        if 'prepare' in words:
            degradation = option.get('--degradation', 'bicubic')
            scale = int(option['--scale'])
            stores = {f'{option["--out"]}/HR_x{scale}.lmdb', f'{option["--out"]}/LR_{degradation}_x{scale}.lmdb'}
            ready |= {(store, scale, int(option['--lr-window'])) for store in stores}
        elif words[0] == 'basicsr/train.py':
            assert program == '.venv/bin/python'
            assert words[-1] == '--auto_resume'
            options = yaml.safe_load((ROOT / option['-opt']).read_text().partition('\n')[2])
            train, scale = options['datasets']['train'], options['scale']
            for key in ('dataroot_gt', 'dataroot_lq'):
                assert (train[key], scale, train['gt_size'] // scale) in ready
            start = options['path']['pretrain_network_g']
            assert start is None or any(start.startswith(f'experiments/{before}/') for before in trained)
            trained.append(options['name'])
        elif 'export' in words:
            assert words[1].startswith(f'experiments/{trained[-1]}/')
            recipe = option['--recipe']
    assert trained[-1] == f'BSR_pretrained_{name}'
    assert recipe == f'options/pretrained/train_{name}.yml'


@pytest.mark.parametrize('name', names())
def test_what_is_held_out_is_moved_before_anything_else(name, clone):
    first = make_model(name, '--dry-run', cwd=clone).stdout.splitlines()[0]
    assert first.startswith('test -d datasets/291/hr')


def test_a_name_of_no_model_is_refused():
    done = make_model('x5')
    assert done.returncode == 2
    assert "There is no model 'x5': make model NAME=x2, or one of x2 x3 x4 x3_blur-down." in done.stderr


def test_without_the_images_it_says_where_they_belong(clone):
    done = make_model('x2', cwd=clone)
    assert done.returncode == 2
    assert 'There is no datasets/291/hr: put the 291 images there (docs/pretrained.md).' in done.stderr


def test_what_is_held_out_is_moved_and_stays_moved_when_it_is_interrupted(clone):
    held_out = (ROOT / 'options/pretrained/held_out.txt').read_text().split()
    images = clone / 'datasets/291/hr'
    images.mkdir(parents=True)
    for name in ('t1.png', *held_out[1:]):
        (images / name).write_text(name)
    words = ['make', 'datasets/291/held_out', *ENVIRONMENT_IS_MADE]
    first = subprocess.run(words, cwd=clone, capture_output=True, text=True, check=False)
    assert first.returncode != 0  # one of them is missing
    (images / held_out[0]).write_text(held_out[0])
    subprocess.run(words, cwd=clone, capture_output=True, text=True, check=True)
    assert sorted(path.name for path in (clone / 'datasets/291/held_out').iterdir()) == sorted(held_out)
    assert [path.name for path in images.iterdir()] == ['t1.png']
