"""Paths that no command can use: every one of them says so in one sentence, with status 2 and without a traceback."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bsr_plugin
from bsr_plugin.cli import COMMANDS, main
from bsr_plugin.data.image_file import encode_png
from bsr_plugin.data.prepare import Preparation, prepare

LONG = 'x' * 5000

#: Words of a command for each path it takes: ``?`` is where the impossible one stands, ``@x`` a good one. What is due
#: there: a folder or a file that is read, or one that is written.
PATHS = {
    'prepare': [
        ('folder', 'prepare ? --out @out --scale 2'),
        ('new folder', 'prepare @hr --out ? --scale 2 --lr-window 8'),
        ('new folder', 'prepare @hr --out ? --scale 2 --encoding files'),
        ('folder', 'prepare @hr --out ? --scale 2 --check'),
    ],
    'bicubic': [('folder', 'bicubic ? --scale 2'), ('new file', 'bicubic @hr --scale 2 --json ?')],
    'options': [('file', 'options ?'), ('file', 'options --train ?')],
    'sample': [('new folder', 'sample --out ?')],
    'pic': [
        ('folder', 'pic ? --lr-window 8'),
        ('new file', 'pic @lr --lr-window 8 --json ?'),
        ('new file', 'pic @lr --lr-window 8 --picture ?'),
    ],
    'bench': [
        ('folder', 'bench data --images ? --seconds 0.01 --counts 1'),
        ('folder', 'bench train --images ? --device cpu --engines stock --networks EDSR-M'),
        ('folder', 'bench upscale --images ? --megapixels 0.01 --peers'),
        ('new file', 'bench upscale --images @hr --megapixels 0.01 --peers --json ?'),
        ('new file', 'bench data --images @hr --seconds 0.01 --counts 1 --json ?'),
        ('new file', 'bench train --images @hr --device cpu --json ?'),
    ],
    'compare': [
        ('folder', 'compare ? --hr @hr --scale 2'),
        ('folder', 'compare @hr --hr ? --scale 2'),
        ('new file', 'compare @hr --hr @hr --scale 2 --json ?'),
        ('new file', 'compare @hr --hr @hr --scale 2 --picture ?'),
    ],
    'report': [('folder', 'report ? --out @out')],
    'figure': [
        ('folder', 'figure pic ? --lr-window 8 -o @out/a.png'),
        ('folder', 'figure crops ? -o @out/a.png'),
        ('folder', 'figure difference ? -o @out/a.png'),
        ('folder', 'figure attention ? -o @out/a.png'),
        ('folder', 'figure curves ? -o @out/a.png'),
        ('new file', 'figure pic @lr --lr-window 8 -o ?'),
    ],
    'card': [('file', 'card ?')],
    'evidence': [('folder', 'evidence ? --out @out')],
    'download': [('new folder', 'download Set5 --to ?')],
}

#: What is impossible where.
IMPOSSIBLE = {
    'folder': ['absent', 'file', 'file/x', '/dev/null', '/proc/absent', LONG, f'a/{LONG}', 'a\0b'],
    'file': ['absent', 'folder', 'file/x', '/dev/null', '/proc/absent', LONG, 'a\0b'],
    'new folder': ['file', 'file/x', '/dev/null', '/dev/null/x', '/proc/absent', LONG, 'a\0b'],
    'new file': ['folder', 'file/x', '/dev/null', '/dev/null/x.png', LONG, 'a\0b'],
}


@pytest.fixture(scope='module')
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp('good')
    (folder / 'hr').mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)
    (folder / 'hr/noise.png').write_bytes(encode_png(pixels))
    made = prepare(Preparation(folder / 'hr', folder / 'stores', 2, lr_window=8))
    return {'@hr': folder / 'hr', '@lr': made.lr_path}


def assert_one_sentence(status, captured):
    assert status == 2
    assert captured.err.count('\n') == 1
    assert len(captured.err) > 20
    assert 'Traceback' not in captured.err


def test_every_command_is_here():
    others = {'options', 'upscale', 'export', 'serve', 'study', 'info'}  # their own tests try their paths
    assert set(COMMANDS) - others == set(PATHS) - others


@pytest.mark.parametrize(
    ('kind', 'words', 'path'),
    [
        pytest.param(kind, words, path, id=f'{words} {path[:12]!a}')
        for commands in PATHS.values()
        for kind, words in commands
        for path in IMPOSSIBLE[kind]
    ],
)
def test_impossible_paths(kind, words, path, good, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'file').write_text('text')
    known = {**good, '@out': tmp_path / 'out', '@out/a.png': tmp_path / 'out/a.png', '?': path}
    before = Path('/dev/null').stat()
    status = main([str(known.get(word, word)) for word in words.split()])
    assert_one_sentence(status, capsys.readouterr())
    assert not (tmp_path / 'out').exists()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ['file', 'folder']
    assert stat.S_ISCHR(before.st_mode)
    assert Path('/dev/null').stat() == before


@pytest.mark.parametrize(
    'words',
    [
        'prepare @hr --out out --scale 2 --lr-window 8',
        'prepare @hr --out out --scale 2 --encoding files',
        'sample --out out',
        'pic @lr --lr-window 8 --json out/a.json',
        'pic @lr --lr-window 8 --picture out/a.png',
        'figure pic @lr --lr-window 8 -o out/a.pdf',
        'compare @hr --hr @hr --scale 2 --picture out/a.png',
        'bicubic @hr --scale 2 --json out/a.json',
    ],
)
@pytest.mark.parametrize(('number', 'status'), [(errno.ENOSPC, 1), (errno.EACCES, 2), (errno.EROFS, 2), (errno.EIO, 1)])
def test_disks_that_do_not_take_a_file(words, number, status, good, tmp_path, monkeypatch, capsys):
    def failing(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, 'fsync', failing)
    assert main([str(good.get(word, word)) for word in words.split()]) == status
    said = capsys.readouterr().err
    assert said.count('\n') == 1
    assert f'({os.strerror(number)})' in said
    assert not [path for path in tmp_path.rglob('*') if path.is_file()]
    assert not list(tmp_path.rglob('*.partial'))


def test_a_folder_that_may_not_be_read(good, tmp_path, monkeypatch, capsys):
    def refusing(self):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))

    monkeypatch.setattr(Path, 'iterdir', refusing)
    status = main(['prepare', str(good['@hr']), '--out', str(tmp_path / 'out'), '--scale', '2'])
    captured = capsys.readouterr()
    assert_one_sentence(status, captured)
    assert f'{good["@hr"]} cannot be used (Permission denied): correct the path or its permissions.' in captured.err


def test_a_listing_that_is_not_text(good, tmp_path, capsys):
    store = tmp_path / 'LR.lmdb'
    store.mkdir()
    for file in good['@lr'].iterdir():
        (store / file.name).write_bytes(file.read_bytes())
    (store / 'meta_info.txt').write_bytes(b'caf\xe9.png (24,24,3) raw\n')
    status = main(['pic', str(store), '--lr-window', '8'])
    captured = capsys.readouterr()
    assert_one_sentence(status, captured)
    assert 'meta_info.txt is not UTF-8 text (byte 3): make the store again.' in captured.err


@pytest.mark.parametrize('words', ['pic @lr --lr-window 8 --json', 'pic @lr --lr-window 8 --picture'])
def test_folders_for_results_are_made(words, good, tmp_path, capsys):
    target = tmp_path / 'a/b/c.png'
    assert main([str(good.get(word, word)) for word in words.split()] + [str(target)]) == 0
    assert target.stat().st_size > 100


@pytest.mark.parametrize('words', ['pic @lr --picture x.tif', 'compare @hr --hr @hr --scale 2 --picture x.tif'])
def test_a_format_of_pictures_that_is_not_known_is_found_at_once(words, good, capsys):
    status = main([str(good.get(word, word)) for word in words.split()])
    captured = capsys.readouterr()
    assert_one_sentence(status, captured)
    assert captured.out == ''
    assert "x.tif ends in '.tif': name a file that ends in .png, .svg, .pdf." in captured.err


def test_folders_whose_names_are_not_text(good, tmp_path):
    out = tmp_path / os.fsdecode(b'caf\xe9')
    words = ['prepare', good['@hr'], '--out', out, '--scale', 2, '--lr-window', 8]
    environment = {
        **os.environ,
        'PYTHONPATH': str(Path(bsr_plugin.__file__).parents[1]),
        'PYTHONIOENCODING': 'utf-8:strict',
    }
    for more in ([], ['--check']):
        done = subprocess.run(
            [sys.executable, '-m', 'bsr_plugin', *map(str, words), *more],
            capture_output=True,
            env=environment,
            timeout=120,
        )
        assert (done.returncode, done.stderr) == (0, b'')
        assert os.fsencode(out) in done.stdout
