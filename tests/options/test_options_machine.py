from pathlib import Path

import pytest
import torch

from bsr_plugin.options import check_options
from bsr_plugin.options.machine import absent_sets, expanded, missing_on_this_machine


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def folders(here, *names):
    for name in names:
        (here / name).mkdir(parents=True)


def test_an_unknown_user_is_a_folder_that_is_not_there():
    assert expanded('~nobody_of_this_name/HR') == Path('~nobody_of_this_name/HR')
    assert expanded('~/HR') == Path.home() / 'HR'


def test_folders_of_a_training_run_must_be_there(training, here):
    folders(here, 'HR_x4.lmdb', 'HR_x4')
    assert check_options(training, is_train=True) == [
        '`datasets.train.dataroot_lq`: there is no folder LR_x4.lmdb; `bsr prepare` makes it from HR images',
        '`datasets.val.dataroot_lq`: there is no folder LR_x4; `bsr prepare` makes it from HR images',
    ]
    folders(here, 'LR_x4.lmdb', 'LR_x4')
    assert check_options(training, is_train=True) == []


def test_folders_that_prepare_does_not_make_are_not_said_to_be_its(training, here):
    folders(here, 'HR_x4.lmdb', 'LR_x4.lmdb')
    video = {'name': 'a', 'type': 'REDSDataset', 'dataroot_gt': 'clips', 'dataroot_lq': 'clips_x4'}
    training['datasets']['val_2'] = {**training['datasets']['val'], **video}
    assert [line.rpartition('; ')[2] for line in missing_on_this_machine(training, is_train=True)] == [
        'correct the path',
        '`bsr prepare` makes it from HR images',
        'correct the path',
        'correct the path',
    ]


def test_a_home_folder_is_found(training, here, monkeypatch):
    monkeypatch.setenv('HOME', str(here))
    folders(here, 'HR_x4.lmdb', 'HR_x4', 'LR_x4.lmdb', 'LR_x4')
    training['datasets']['train']['dataroot_lq'] = '~/LR_x4.lmdb'
    assert check_options(training, is_train=True) == []


def test_a_store_in_parts_is_there_when_all_parts_are(training, here):
    folders(here, 'HR_x4', 'LR_x4', 'HR_x4.lmdb', 'LR_x4.part1of2.lmdb')
    (line,) = check_options(training, is_train=True)
    assert line.startswith('`datasets.train.dataroot_lq`: LR_x4.lmdb lacks part 2 of 2')
    folders(here, 'LR_x4.part2of2.lmdb')
    assert check_options(training, is_train=True) == []


def test_a_test_goes_over_the_sets_that_are_there(testing, here):
    testing['datasets']['test_2'] |= {'dataroot_gt': 'B/HR', 'dataroot_lq': 'B/LR'}
    folders(here, 'HR_x4', 'LR_x4')
    assert absent_sets(testing) == ['test_2']
    assert check_options(testing, is_train=False) == []


def test_half_a_pair_is_a_problem(testing, here):
    testing['datasets']['test_2'] |= {'dataroot_gt': 'B/HR', 'dataroot_lq': 'B/LR'}
    folders(here, 'HR_x4', 'LR_x4', 'B/HR')
    assert absent_sets(testing) == []
    assert check_options(testing, is_train=False) == [
        '`datasets.test_2.dataroot_lq`: there is no folder B/LR; `bsr prepare` makes it from HR images'
    ]


def test_a_test_without_any_set_is_a_problem(testing, here):
    found = missing_on_this_machine(testing, is_train=False)
    assert [line.partition(':')[0] for line in found] == [
        '`datasets.test_1.dataroot_gt`',
        '`datasets.test_1.dataroot_lq`',
        '`datasets.test_2.dataroot_gt`',
        '`datasets.test_2.dataroot_lq`',
    ]


def test_files_to_start_from_must_be_there(training, here):
    folders(here, 'HR_x4.lmdb', 'HR_x4', 'LR_x4.lmdb', 'LR_x4')
    training['path'] |= {'pretrain_network_g': 'net.pth', 'resume_state': '5.state'}
    assert check_options(training, is_train=True) == [
        '`path.pretrain_network_g`: there is no file net.pth',
        '`path.resume_state`: there is no file 5.state',
    ]
    for name in ('net.pth', '5.state'):
        (here / name).touch()
    assert check_options(training, is_train=True) == []


def test_a_gpu_must_be_there(testing, here, monkeypatch):
    folders(here, 'HR_x4', 'LR_x4')
    testing['num_gpu'] = 2
    for there, found in ((0, 'no GPU'), (1, '1 GPU')):
        monkeypatch.setattr(torch.cuda, 'device_count', lambda there=there: there)
        assert check_options(testing, is_train=False) == [
            f'`num_gpu`: 2, but torch finds {found} here; use auto, or 0 for the CPU'
        ]
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
    assert check_options(testing, is_train=False) == []


@pytest.mark.parametrize('value', [None, 7, 'x', [], {}, {'x': 1}, True])
def test_the_look_survives_whatever_a_file_holds(testing, here, value):
    for key in testing:
        found = missing_on_this_machine({**testing, key: value}, is_train=False)
        assert all(line.startswith('`') for line in found)
