"""Keys that nothing reads: harmless ones are ignored with a warning, misspelt ones are refused."""

import pytest
import yaml

from bsr_plugin.cli import main
from bsr_plugin.options import load_options


@pytest.fixture
def load(tmp_path, caplog):
    """``load(options, is_train)``: the options as they are loaded, and the lines of the warnings."""

    def write_and_load(options, is_train=True):
        path = tmp_path / 'x.yml'
        path.write_text(yaml.safe_dump(options, sort_keys=False))
        caplog.clear()
        loaded = load_options(path, is_train, check_paths=False)
        lines = [record.getMessage().removeprefix(f'{path}: ') for record in caplog.records]
        assert {record.name for record in caplog.records} <= {'bsr_plugin.options'}
        return loaded, lines

    return write_and_load


def test_nothing_is_said_of_keys_that_are_read(training, load):
    assert load(training) == (training, [])


def test_a_key_of_the_other_phase_that_is_nothing_is_left_out(testing, load, change):
    change(testing, 'path.resume_state', None)
    change(testing, 'logger', None)
    change(testing, 'val.val_freq', None)
    loaded, lines = load(testing, is_train=False)
    keys = ('logger', 'path.resume_state', 'val.val_freq')
    assert sorted(lines) == [f'`{key}`: is ignored; nothing reads it here' for key in keys]
    del testing['logger'], testing['path']['resume_state'], testing['val']['val_freq']
    assert loaded == testing


def test_the_folder_of_tests_is_no_option_of_a_training(training, load, change, problems):
    change(training, 'path.results_root', None)
    loaded, lines = load(training)
    assert lines == ['`path.results_root`: is ignored; nothing reads it here']
    assert 'results_root' not in loaded['path']
    change(training, 'path.results_root', 'elsewhere')
    (line,) = problems(training)
    assert line.startswith('`path.results_root`: ')


def test_a_key_of_the_other_phase_that_says_something_is_refused(testing, change, problems):
    change(testing, 'path.resume_state', 'x.state')
    (line,) = problems(testing, is_train=False)
    assert line.startswith('`path.resume_state`: unknown key; known here: ')


def test_a_misspelt_key_is_refused_although_it_is_nothing(training, change, problems):
    change(training, 'train.grad_clipp', None)
    assert problems(training) == ['`train.grad_clipp`: did you mean `grad_clip`?']


@pytest.mark.parametrize('path', ['datasets.train.use_shuffle', 'datasets.val.use_shuffle', 'save_img', 'crop_border'])
def test_what_option_files_carry_and_nothing_reads_is_ignored(training, change, load, problems, path):
    change(training, path, True)
    assert problems(training) == []
    loaded, lines = load(training)
    assert lines == [f'`{path}`: is ignored; nothing reads it here']
    change(training, path)
    assert loaded == training


def test_the_command_says_it_and_finds_nothing_wrong(training, change, tmp_path, capsys, caplog):
    change(training, 'datasets.train.use_shuffle', True)
    path = tmp_path / 'x.yml'
    path.write_text(yaml.safe_dump(training))
    assert main(['options', str(path), '--elsewhere']) == 0
    assert capsys.readouterr().out == f'{path}: OK (training options)\n'
    assert '`datasets.train.use_shuffle`: is ignored' in caplog.text
