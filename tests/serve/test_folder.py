import os
import signal
import stat
import sys
import tempfile
import time

import pytest

from bsr_plugin.serve.folder import remove_older, temporary_folder


@pytest.fixture(autouse=True)
def _temporary_files_here(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))


def test_it_is_private_and_gone_at_the_end(tmp_path):
    def used():
        with temporary_folder() as folder:
            assert folder.parent == tmp_path
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            (folder / 'a').mkdir()
            (folder / 'a/x.png').write_bytes(b'x')
            raise KeyError

    with pytest.raises(KeyError):
        used()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_server_left_goes_and_what_a_living_one_has_stays(tmp_path, programs):
    code = (
        'import sys, time\n'
        'from bsr_plugin.serve.folder import temporary_folder\n'
        'with temporary_folder() as folder:\n'
        "    (folder / 'photo.png').write_bytes(b'x')\n"
        '    print(folder, flush=True)\n'
        '    time.sleep(600)\n'
    )
    environment = {**os.environ, 'TMPDIR': str(tmp_path)}
    server = programs.start([sys.executable, '-c', code], environment, stdout=-1)
    left = tmp_path / server.stdout.readline().strip()
    with temporary_folder():
        assert (left / 'photo.png').exists()
    server.send_signal(signal.SIGKILL)
    server.wait()
    assert (left / 'photo.png').exists()
    (tmp_path / 'bsr_serve_file').write_bytes(b'not a folder')
    (tmp_path / 'bsr_serve_link').symlink_to(tmp_path.parent)
    with temporary_folder() as folder:
        assert sorted(tmp_path.iterdir()) == sorted([folder, tmp_path / 'bsr_serve_file', tmp_path / 'bsr_serve_link'])


def test_what_is_old_goes_but_for_what_is_kept(tmp_path):
    for name in ('old', 'kept', 'new'):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'photo.png').write_bytes(b'x')
    (tmp_path / 'broken off').write_bytes(b'x')
    for name in ('old', 'kept', 'broken off'):
        os.utime(tmp_path / name, times=(time.time() - 100,) * 2)
    remove_older(tmp_path, 50, {tmp_path / 'kept'})
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ['kept', 'new']
    remove_older(tmp_path, 200)
    assert len(list(tmp_path.iterdir())) == 2
