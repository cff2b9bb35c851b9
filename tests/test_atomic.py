"""Files are whole or absent, and a killed program's part of one is removed by the next that writes it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import bsr_plugin
from bsr_plugin import atomic
from bsr_plugin.atomic import replacing, write_text

WRITES_AND_WAITS = """
import sys, time
from pathlib import Path
from bsr_plugin.atomic import replacing
with replacing(sys.argv[1]) as temporary:
    temporary.write_text('half')
    print('writing', flush=True)
    time.sleep(60)
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def writing(tmp_path):
    """A program in the middle of writing ``page[1].txt``."""
    environment = {'PYTHONPATH': str(Path(bsr_plugin.__file__).parents[1]), 'PATH': os.environ['PATH']}
    words = [sys.executable, '-c', WRITES_AND_WAITS, str(tmp_path / 'page[1].txt')]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as program:
        assert program.stdout.readline() == 'writing\n'
        yield program
        program.kill()


def make_older(folder, seconds):
    for part in folder.glob('*.tmp'):
        os.utime(part, (time.time() - seconds,) * 2)


def test_the_file_appears_whole(tmp_path):
    target = tmp_path / 'page.txt'
    target.write_text('old')
    with replacing(target) as temporary:
        assert temporary.parent == tmp_path
        temporary.write_text('new')
        assert target.read_text() == 'old'
    assert target.read_text() == 'new'
    assert names(tmp_path) == ['page.txt']


def test_an_error_leaves_the_old_file(tmp_path):
    target = tmp_path / 'page.txt'
    write_text(target, 'old')
    with pytest.raises(NotADirectoryError), replacing(target) as temporary:
        (temporary / 'no folder').write_text('new')
    assert target.read_text() == 'old'
    assert names(tmp_path) == ['page.txt']


@pytest.mark.parametrize('umask', [0o022, 0o077])
def test_permissions_are_ordinary(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_text(tmp_path / 'page.txt', 'new')
    finally:
        os.umask(before)
    assert (tmp_path / 'page.txt').stat().st_mode & 0o777 == 0o666 & ~umask


def test_what_a_killed_program_leaves_is_removed(tmp_path, writing):
    writing.kill()
    writing.wait()
    assert len(names(tmp_path)) == 1
    make_older(tmp_path, 3600)
    write_text(tmp_path / 'page1.txt', 'a file of another name')
    assert len(names(tmp_path)) == 2
    write_text(tmp_path / 'page[1].txt', 'whole')
    assert names(tmp_path) == ['page1.txt', 'page[1].txt']


def test_what_another_program_is_writing_stays(tmp_path, writing):
    make_older(tmp_path, 3600)
    write_text(tmp_path / 'page[1].txt', 'whole')
    assert len(names(tmp_path)) == 2


def test_what_is_too_young_to_be_locked_stays(tmp_path, writing):
    writing.kill()
    writing.wait()
    write_text(tmp_path / 'page[1].txt', 'whole')
    assert len(names(tmp_path)) == 2


def test_without_locks_nothing_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic, 'fcntl', None)
    (tmp_path / '.page.txt.1.tmp').write_text('half')
    make_older(tmp_path, 3600)
    write_text(tmp_path / 'page.txt', 'whole')
    assert names(tmp_path) == ['.page.txt.1.tmp', 'page.txt']
