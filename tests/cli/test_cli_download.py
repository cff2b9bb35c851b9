"""``bsr download`` from a real server, from the archive to the folders."""

import hashlib
import io
import tarfile
from pathlib import Path

import pytest
from servers import serving

from bsr_plugin.cli import main
from bsr_plugin.data import sources
from bsr_plugin.data.sources import Archive, Folder, archives_of
from bsr_plugin.errors import InputError


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A benchmark archive on a server; gives the list of what was asked for."""
    folder = tmp_path / 'server'
    folder.mkdir()
    with tarfile.open(folder / 'benchmark.tar', 'w') as archive:
        for path in ('Set5/HR/baby.png', 'Set5/LR_bicubic/X2/babyx2.png', 'Set5/LR_bicubic/X4/babyx4.png'):
            entry = tarfile.TarInfo(f'benchmark/{path}')
            entry.size = len(path)
            archive.addfile(entry, io.BytesIO(path.encode()))
    folders = (
        Folder('benchmark/Set5/HR', 'Set5/GTmod12'),
        Folder('benchmark/Set5/LR_bicubic/X2', 'Set5/LRbicx2', 2, 'x2'),
        Folder('benchmark/Set5/LR_bicubic/X4', 'Set5/LRbicx4', 4, 'x4'),
    )
    md5 = hashlib.md5((folder / 'benchmark.tar').read_bytes()).hexdigest()
    with serving(folder) as (address, asked):
        monkeypatch.setitem(sources.SOURCES, 'Set5', (Archive(f'{address}/benchmark.tar', md5, folders),))
        yield asked


def listing(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob('*') if path.is_file())


def test_one_command_brings_a_set(source, tmp_path, capsys):
    assert main(['download', 'set5', '--to', str(tmp_path / 'datasets')]) == 0

    assert listing(tmp_path / 'datasets') == [
        'Set5/GTmod12/baby.png',
        'Set5/LRbicx2/baby.png',
        'Set5/LRbicx4/baby.png',
        'archives/benchmark.tar',
    ]
    assert 'GTmod12: 1 image\n' in capsys.readouterr().out


def test_a_second_run_asks_for_nothing_and_changes_nothing(source, tmp_path, capsys):
    command = ['download', 'Set5', '--to', str(tmp_path / 'datasets'), '--discard']
    assert main(command) == 0
    assert listing(tmp_path / 'datasets') == ['Set5/GTmod12/baby.png', 'Set5/LRbicx2/baby.png', 'Set5/LRbicx4/baby.png']
    (tmp_path / 'datasets/Set5/GTmod12/baby.png').write_text('mine')

    assert main(command) == 0

    assert source == ['/benchmark.tar']
    assert (tmp_path / 'datasets/Set5/GTmod12/baby.png').read_text() == 'mine'
    assert 'GTmod12: is there, left as it is' in capsys.readouterr().out


@pytest.mark.parametrize(('option', 'lr'), [(['--scale', '4'], ['Set5/LRbicx4/baby.png']), (['--no-lr'], [])])
def test_lr_images_as_wanted(source, tmp_path, option, lr):
    assert main(['download', 'Set5', '--to', str(tmp_path), '--discard', *option]) == 0
    assert [name for name in listing(tmp_path) if name.startswith('Set5')] == ['Set5/GTmod12/baby.png', *lr]


def test_what_cannot_be_downloaded_is_one_sentence_and_status_2(tmp_path, capsys):
    for words, sentence in (
        (['Manga109'], 'ask for it at http://www.manga109.org'),
        (['Set6'], "no data set 'Set6': use DIV2K"),
        (['Set5', '--scale', '8'], 'Set5 has no LR images of scale 8: it has 2, 3, 4'),
    ):
        assert main(['download', *words, '--to', str(tmp_path)]) == 2
        error = capsys.readouterr().err
        assert sentence in error
        assert 'Traceback' not in error
    assert listing(tmp_path) == []


def test_div2k_has_all_official_bicubic_lr_images():
    targets = {folder.target for archive in archives_of('DIV2K') for folder in archive.folders}
    assert targets == {
        f'DIV2K/DIV2K_{part}_{kind}'
        for part in ('train', 'valid')
        for kind in ('HR', *(f'LR_bicubic/X{scale}' for scale in (2, 3, 4, 8)))
    }
    assert [archive.name for archive in archives_of('DIV2K', [])] == ['DIV2K_train_HR.zip', 'DIV2K_valid_HR.zip']
    with pytest.raises(InputError, match='scale 5'):
        archives_of('DIV2K', [5])


@pytest.mark.parametrize(
    ('folder', 'name'),
    [
        ('datasets/Urban100/GTmod12', 'Urban100'),
        ('/data/Set5/LRbicx4/', 'Set5'),
        ('DIV2K/DIV2K_train_HR', 'DIV2K'),
        ('DIV2K/DIV2K_train_LR_unknown/X4', 'DIV2K-unknown'),
        ('datasets/291/held_out', None),
        ('datasets/Manga109/GTmod12', None),
        ('GTmod12', None),
    ],
)
def test_the_set_that_brings_a_folder(folder, name):
    assert sources.set_with(Path(folder)) == name
