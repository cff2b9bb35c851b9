import pytest
import yaml

from bsr_plugin.cli import main


@pytest.fixture
def file(tmp_path, monkeypatch, training):
    """A right option file for training, without its data."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'train.yml').write_text(yaml.safe_dump(training))
    return 'train.yml'


def test_a_right_file_is_done(file, capsys):
    assert main(['options', file, '--elsewhere']) == 0
    assert capsys.readouterr().out == 'train.yml: OK (training options)\n'


def test_a_test_file_is_told_from_a_training_file(file, testing, capsys, tmp_path):
    (tmp_path / 'test.yml').write_text(yaml.safe_dump(testing))
    assert main(['options', 'test.yml', file, '--elsewhere']) == 0
    assert capsys.readouterr().out == 'test.yml: OK (test options)\ntrain.yml: OK (training options)\n'


def test_the_purpose_can_be_given(file, capsys):
    assert main(['options', file, '--elsewhere', '--test']) == 2
    assert 'train.yml: `datasets.train`: unknown key; known here: test, val\n' in capsys.readouterr().err


def test_every_problem_of_every_file_is_printed(file, capsys, tmp_path):
    (tmp_path / 'other.yml').write_text('a: 1\na: 2')
    assert main(['options', file, 'other.yml', '--elsewhere', '--force_yml', 'train:amp=fp61', 'scale=x']) == 2
    assert capsys.readouterr().err == (
        "bsr options: train.yml: `scale`: 'x' is not a number\n"
        "train.yml: `train.amp`: 'fp61' should be 'bf16' or 'fp16'; did you mean `fp16`?\n"
        'other.yml: line 2, column 1: the key `a` appears twice\n'
    )


def test_folders_are_looked_for_on_this_machine(file, capsys):
    assert main(['options', file]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 4


def test_the_schema_is_not_that_of_a_file(file, capsys):
    assert main(['options', '--schema', str(file)]) == 2
    assert f'leave out either it or {file}.' in capsys.readouterr().err
