"""Names that become folders and parts of file names."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from bsr_plugin.errors import InputError
from bsr_plugin.options import load_options
from bsr_plugin.schema.values import LONGEST_NAME, PathComponent

WRONG = ['', '.', '..', '/', '/tmp/x', '../../x', 'a/b', 'a\\b', 'a\nb', 'a\0b', '\x7f', ' a', 'a ', 'x' * 201]
WHERE = ['name', 'datasets.train.name', 'datasets.val.name', 'val.suffix']


@pytest.mark.parametrize('path', WHERE)
@pytest.mark.parametrize('name', WRONG)
def test_a_name_that_is_no_plain_one_is_refused(training, change, problems, path, name):
    change(training, path, name)
    (line,) = problems(training)
    assert line.startswith(f'`{path}`: ')
    assert 'cannot name a folder; use a name without slashes' in line or line.endswith('bytes; 200 is the most')
    assert '\n' not in line


@pytest.mark.parametrize('path', WHERE)
@pytest.mark.parametrize('name', ['train_BSR_x4', '.hidden', '...', 'two words', 'é' * 100, 'x' * 200, 'a=b', '~'])
def test_a_plain_name_passes(training, change, problems, path, name):
    change(training, path, name)
    assert problems(training) == []


@pytest.mark.parametrize('entry', ['name=.', 'name=""', 'name=../../x', 'datasets:val:name=a/b', 'val:suffix=/x'])
def test_names_are_checked_after_changes_on_the_command_line(tmp_path, training, entry):
    path = tmp_path / 'x.yml'
    path.write_text(yaml.safe_dump(training, sort_keys=False))
    with pytest.raises(InputError, match='cannot name a folder'):
        load_options(path, is_train=True, force=[entry], check_paths=False)


@given(st.text(max_size=LONGEST_NAME))
def test_an_accepted_name_is_one_component_of_a_path(tmp_path_factory, name):
    try:
        TypeAdapter(PathComponent).validate_python(name)
    except ValidationError:
        return
    root = tmp_path_factory.getbasetemp()
    folder = (root / name).resolve()
    assert folder.parent == root.resolve()
    assert folder.name == name
