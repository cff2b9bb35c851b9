import sys

import pytest
import yaml
from basicsr.utils.options import copy_opt_file

from bsr_plugin.errors import InputError
from bsr_plugin.options import load_options
from bsr_plugin.options.forced import force, recorded


@pytest.fixture
def file(tmp_path, training):
    """A right option file."""
    path = tmp_path / 'x.yml'
    path.write_text(yaml.safe_dump(training, sort_keys=False))
    return path


@pytest.mark.parametrize(
    ('entry', 'path', 'value'),
    [
        ('train:ema_decay=0.999', ['train', 'ema_decay'], 0.999),
        ('train:optim_g:lr=1e-3', ['train', 'optim_g', 'lr'], 1e-3),
        ('train:total_iter = 5e2', ['train', 'total_iter'], 500),
        ('val:save_img=true', ['val', 'save_img'], True),
        ('train:amp=bf16', ['train', 'amp'], 'bf16'),
        ('train:amp=~', ['train', 'amp'], None),
        ('train:amp=None', ['train', 'amp'], None),
        ('train:scheduler:milestones=[10, 2e1]', ['train', 'scheduler', 'milestones'], [10, 20]),
        ('network_g:rgb_mean=[0, 0.5, 1]', ['network_g', 'rgb_mean'], [0, 0.5, 1]),
        ('name=a=b', ['name'], 'a=b'),
        ('datasets:val:filename_tmpl={}x4', ['datasets', 'val', 'filename_tmpl'], '{}x4'),
        ('logger:wandb:project=mine', ['logger', 'wandb', 'project'], 'mine'),
    ],
)
def test_a_value_is_read_as_the_file_would_have_it(file, entry, path, value):
    options = load_options(file, is_train=True, force=[entry], check_paths=False)
    for key in path:
        options = options[key]
    assert options == value
    assert type(options) is type(value)


@pytest.mark.parametrize(
    ('entry', 'problem'),
    [
        ('train:emadecay=0.9', '`train.emadecay`: did you mean `ema_decay`?'),
        ('trian:ema_decay=0.9', '`trian`: did you mean `train`?'),
        ('datasets:train:gt_size=190', '`datasets.train.gt_size`: 190 is not a multiple of scale 4; 188 and 192 are'),
        ('train:ema_decay=much', "`train.ema_decay`: 'much' is not a number"),
        ('scale:x=1', '--force_yml scale:x=1: 4 is not a section that `x` could be in'),
        ('train', '--force_yml train: write it as key:key=value, such as train:ema_decay=0.999'),
        ('train:=1', '--force_yml train:=1: write it as key:key=value, such as train:ema_decay=0.999'),
        (
            'train:scheduler:milestones=[1, 2',
            '--force_yml train:scheduler:milestones=[1, 2: line 1, column 6: while parsing a flow sequence, expected '
            "',' or ']', but got '<stream end>'",
        ),
        (
            'name=!!python/name:os.system',
            '--force_yml name=!!python/name:os.system: line 1, column 1: the tag !!python/name:os.system is refused; '
            '!!python/name:bsr_plugin.__version__ is the only one an option file may carry',
        ),
    ],
)
def test_a_wrong_entry_is_a_problem_like_any_other(file, entry, problem):
    with pytest.raises(InputError) as caught:
        load_options(file, is_train=True, force=[entry], check_paths=False)
    assert str(caught.value) == f'{file}: {problem}'


def test_all_wrong_entries_are_reported(file):
    with pytest.raises(InputError) as caught:
        load_options(file, is_train=True, force=['scale:x=1', 'train:amp=fp61', 'train'], check_paths=False)
    assert str(caught.value).splitlines() == [
        f'{file}: --force_yml scale:x=1: 4 is not a section that `x` could be in',
        f'{file}: --force_yml train: write it as key:key=value, such as train:ema_decay=0.999',
        f"{file}: `train.amp`: 'fp61' should be 'bf16' or 'fp16'; did you mean `fp16`?",
    ]


def test_no_value_runs_anything(file, tmp_path):
    made = tmp_path / 'made'
    code = f'network_g:rgb_mean=[__import__("os").mkdir("{made}"), 0, 0]'
    with pytest.raises(InputError):
        load_options(file, is_train=True, force=[code], check_paths=False)
    with pytest.raises(InputError):
        load_options(file, is_train=True, force=[f'train"];import os;os.mkdir("{made}");x["=1'], check_paths=False)
    assert not made.exists()


def test_the_options_given_are_left_alone():
    options = {'a': {'b': 1}, 'c': {'d': 2}}
    changed, problems = force(options, ['a:b=5', 'a:x:y=6'])
    assert options == {'a': {'b': 1}, 'c': {'d': 2}}
    assert changed == {'a': {'b': 5, 'x': {'y': 6}}, 'c': {'d': 2}}
    assert problems == []


@pytest.mark.parametrize(
    ('words', 'entries'),
    [
        (['-opt', 'x.yml'], []),
        (['-opt', 'x.yml', '--auto_resume'], []),
        (['-opt', 'x.yml', '--force_yml', 'train:amp=~'], ['train:amp=~']),
        (
            ['--force_yml', 'network_g:rgb_mean=[-1, -0.5]', 'name=a=b', 'train:total_iter = 5e2', '-opt', 'x.yml'],
            ['network_g:rgb_mean=[-1, -0.5]', 'name=a=b', 'train:total_iter = 5e2'],
        ),
        (
            ['-opt', 'x.yml', '--force_yml', 'datasets:val:filename_tmpl={}x4', 'val:save_img=true', '--auto_resume'],
            ['datasets:val:filename_tmpl={}x4', 'val:save_img=true'],
        ),
    ],
)
def test_the_entries_of_a_run_are_read_back_from_its_folder(file, tmp_path, monkeypatch, words, entries):
    monkeypatch.setattr(sys, 'argv', ['train.py', *words])
    (tmp_path / 'run').mkdir()
    copy_opt_file(str(file), str(tmp_path / 'run'))
    assert recorded((tmp_path / 'run/x.yml').read_text()) == entries


def test_an_option_file_that_no_run_was_begun_with_has_no_entries():
    assert recorded('name: x\n# python train.py --force_yml name=y\n') == []
