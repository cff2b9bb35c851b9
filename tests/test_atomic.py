"""Files are whole or absent, and a killed program's part of one is removed by the next that writes it."""

import errno
import fcntl
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import bsr_plugin
from bsr_plugin import atomic
from bsr_plugin.atomic import locked, remove_left_overs, replacing, write_text

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
    write_text(tmp_path / 'page1.txt', 'a file of another name')
    assert len(names(tmp_path)) == 2
    write_text(tmp_path / 'page[1].txt', 'whole')
    assert names(tmp_path) == ['page1.txt', 'page[1].txt']


def test_what_another_program_is_writing_stays(tmp_path, writing):
    write_text(tmp_path / 'page[1].txt', 'whole')
    assert len(names(tmp_path)) == 2


def left_over_of(path):
    """What a program leaves that is killed while it writes ``path``."""
    left_over = path.with_name(f'.{path.name}.{atomic.host()}.1.tmp')
    left_over.write_text('half')
    return left_over


def test_what_programs_on_other_hosts_write_stays(tmp_path, monkeypatch):
    """Their locks need not be seen here."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(socket, 'gethostname', lambda: 'elsewhere')
        writing = left_over_of(tmp_path / 'page.txt')
    left_over = left_over_of(tmp_path / 'page.txt')
    write_text(tmp_path / 'page.txt', 'whole')
    remove_left_overs(tmp_path)
    assert names(tmp_path) == [writing.name, 'page.txt']
    assert left_over.name != writing.name
    # After a day without a word it is taken for abandoned.
    long_ago = time.time() - 86_500
    os.utime(writing, (long_ago, long_ago))
    remove_left_overs(tmp_path)
    assert names(tmp_path) == ['page.txt']


def test_one_that_waits_for_long_says_what_for(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(atomic, '_PATIENCE', 0.05)
    at_work, waiting = threading.Event(), []

    def wait():
        at_work.wait(60)
        with locked(tmp_path / 'page.txt'):
            waiting.append(time.monotonic())

    thread = threading.Thread(target=wait)
    thread.start()
    with locked(tmp_path / 'page.txt'):
        at_work.set()
        time.sleep(0.4)
        until = time.monotonic()
    thread.join(60)
    assert waiting[0] >= until
    assert caplog.messages == [f'Waiting for the process that holds the lock {tmp_path / ".page.txt.lock"}.']


def test_without_locks_nothing_is_removed(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, 'flock', no_locks)
    left_over = left_over_of(tmp_path / 'page.txt')
    write_text(tmp_path / 'page.txt', 'whole')
    assert names(tmp_path) == [left_over.name, 'page.txt']


def test_all_left_overs_of_a_folder(tmp_path, writing):
    left_over_of(tmp_path / 'other')
    (tmp_path / 'other.tmp').write_text('a file of that name')
    remove_left_overs(tmp_path)
    assert len(names(tmp_path)) == 2  # one is being written
    writing.kill()
    writing.wait()
    remove_left_overs(tmp_path)
    assert names(tmp_path) == ['other.tmp']


def test_a_file_that_is_taken_for_a_left_over_while_it_is_created(tmp_path, monkeypatch):
    stock, removed = fcntl.flock, []

    def too_late(*words):
        stock(*words)
        if not removed:  # as a program does that looks between creation and lock
            removed.extend(tmp_path.iterdir())
            removed[0].unlink()

    monkeypatch.setattr(fcntl, 'flock', too_late)
    write_text(tmp_path / 'page.txt', 'whole')
    assert (len(removed), names(tmp_path)) == (1, ['page.txt'])
    assert (tmp_path / 'page.txt').read_text() == 'whole'


def test_the_mask_of_permissions_is_never_touched(tmp_path, monkeypatch):
    def refuse(_):
        raise AssertionError('another thread may create a file just now')

    monkeypatch.setattr(os, 'umask', refuse)
    write_text(tmp_path / 'page.txt', 'new')
    assert (tmp_path / 'page.txt').stat().st_mode & 0o111 == 0


def test_folders_that_are_missing_are_made(tmp_path):
    write_text(tmp_path / 'a/b/page.txt', 'new')
    assert (tmp_path / 'a/b/page.txt').read_text() == 'new'


def test_what_is_not_a_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    (tmp_path / 'folder').mkdir()
    before = Path('/dev/null').stat()
    for path, sentence in (
        (tmp_path / 'pipe', 'Not an ordinary file'),
        (tmp_path / 'folder', 'Is a directory'),
        ('/dev/null', 'Not an ordinary file'),
    ):
        with pytest.raises(OSError, match=sentence) as error:
            write_text(path, 'new')
        assert error.value.filename == str(path)
    assert Path('/dev/null').stat() == before
    assert names(tmp_path) == ['folder', 'pipe']


def test_a_full_disk_is_told_of_the_file_that_was_wanted(tmp_path):
    write_text(tmp_path / 'page.txt', 'old')
    with pytest.raises(OSError, match='No space left') as error, replacing(tmp_path / 'page.txt'):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert error.value.filename == str(tmp_path / 'page.txt')
    assert names(tmp_path) == ['page.txt']
    assert (tmp_path / 'page.txt').read_text() == 'old'


@pytest.mark.parametrize('name', ['a' * 255, 'a' + '漢' * 84, os.fsdecode(b'\xe9' * 255), '[' * 250])
def test_names_as_long_as_they_can_be(tmp_path, name):
    write_text(tmp_path / name, 'old')
    with replacing(tmp_path / name) as temporary:
        temporary.write_text('new')
    assert names(tmp_path) == [name]
    assert (tmp_path / name).read_text() == 'new'
    left_over = tmp_path / temporary.name
    left_over.write_text('half')
    write_text(tmp_path / name, 'newest')
    assert not left_over.exists()
    with pytest.raises(OSError, match='File name too long'):
        write_text(tmp_path / ('a' * 256), 'new')
