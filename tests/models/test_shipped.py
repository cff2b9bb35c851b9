"""Names of pretrained weights."""

from pathlib import Path

import pytest

from bsr_plugin.errors import InputError
from bsr_plugin.models import shipped


def test_names_are_those_of_the_files_there_are(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, 'FOLDER', tmp_path)
    assert shipped.names() == []
    for name in ('bsr_x4.safetensors', 'bsr_x3_blur-down.safetensors', 'bsr_x9.safetensors', 'bsr_x2.md'):
        (tmp_path / name).touch()
    assert shipped.names() == ['x4', 'x3_blur-down']
    assert shipped.weights_file('x4') == tmp_path / 'bsr_x4.safetensors'
    assert shipped.weights_file(Path('x4')) == tmp_path / 'bsr_x4.safetensors'


@pytest.mark.parametrize('path', ['net.pth', './x9', 'here/x2', '/x2', 'X2', 'bsr_x2'])
def test_anything_else_is_a_path(path):
    assert shipped.weights_file(path) == Path(path)


def test_a_name_without_weights_gets_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, 'FOLDER', tmp_path)
    with pytest.raises(InputError) as caught:
        shipped.weights_file('x2')
    assert str(caught.value) == (
        'no weights x2 ship with this version of bsr_plugin (none do yet): give the path of a file'
    )
    for name in ('x3', 'x4'):
        (tmp_path / f'bsr_{name}.safetensors').touch()
    with pytest.raises(
        InputError, match=r'no weights x2 ship .* \(those that do are x3, x4\): give the path of a file$'
    ):
        shipped.weights_file('x2')
