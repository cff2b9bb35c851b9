"""``bsr serve`` as users start and end it."""

import os
import re
import signal
import socket
import subprocess
import urllib.request

import pytest
from programs import BSR

from bsr_plugin.cli import main


def started(programs, tmp_path, *words):
    """A server whose temporary files are in ``tmp_path / 'temporary'``, and where it is."""
    (tmp_path / 'temporary').mkdir(exist_ok=True)
    environment = {**os.environ, 'TMPDIR': str(tmp_path / 'temporary')}
    server = programs.fork(
        [BSR, 'serve', '--port', '0', '--device', 'cpu', *words], environment, stderr=subprocess.PIPE
    )
    line = server.stdout.readline()
    found = re.fullmatch(r'Serving tiny_x2 at (http://127\.0\.0\.1:\d+) \(Ctrl-C ends it\)\n', line)
    if not found:
        programs.end()
    assert found, line + server.stderr.read()
    return server, found[1]


def answer(url):
    with urllib.request.urlopen(url, timeout=60) as response:
        return response.read()


def upload(url):
    boundary = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\nno pixels\r\n--x--\r\n'
    headers = {'Content-Type': 'multipart/form-data; boundary=x'}
    answer(urllib.request.Request(f'{url}/gradio_api/upload', boundary, headers))


@pytest.mark.slow
def test_ctrl_c_ends_it_and_nothing_is_left(programs, tmp_path, tiny):
    server, url = started(programs, tmp_path, '--weights', tiny)
    assert b'BSR: balanced super resolution' in answer(url)
    upload(url)
    (folder,) = (tmp_path / 'temporary').glob('bsr_serve_*')
    assert [path.name for path in folder.rglob('*') if path.is_file()] == ['a.png']
    # An open page, whose heartbeat this is, does not hold it up.
    with urllib.request.urlopen(f'{url}/gradio_api/heartbeat/page', timeout=60):
        server.send_signal(signal.SIGINT)
        assert programs.finish(server, 60) == ('', 'bsr serve: interrupted\n')
    assert server.returncode == 130
    assert list((tmp_path / 'temporary').iterdir()) == []


@pytest.mark.slow
def test_the_next_server_clears_what_a_killed_one_left_and_warns_of_open_addresses(programs, tmp_path, tiny):
    server, url = started(programs, tmp_path, '--weights', tiny)
    upload(url)
    server.send_signal(signal.SIGKILL)
    server.wait(60)
    (left,) = (tmp_path / 'temporary').glob('bsr_serve_*')
    assert list(left.rglob('a.png'))
    server, url = started(programs, tmp_path, '--weights', tiny, '--host', '0.0.0.0')
    assert not left.exists()
    server.send_signal(signal.SIGTERM)
    warning = 'bsr serve: warning: 0.0.0.0 can be reached from other machines, and the page asks for no password.\n'
    assert programs.finish(server, 60) == ('', warning)
    assert server.returncode == 143
    assert list((tmp_path / 'temporary').iterdir()) == []


def wrong(capsys, *words):
    assert main(['serve', *map(str, words)]) == 2
    said = capsys.readouterr()
    assert said.out == ''
    assert said.err.count('\n') == 1
    return said.err


@pytest.mark.parametrize(
    ('words', 'sentence'),
    [
        (['--weights', 'nowhere.pth'], 'nowhere.pth does not exist: give a file of weights'),
        (['--weights', 'a\0b'], 'contains a NUL character'),
        (['--weights', '/dev/null'], '/dev/null is not a file of weights'),
        (['--weights', 'x' * 5000], 'cannot be used (File name too long)'),
        (['--port', 65536], '--port is 65536: use 1 to 65535, or 0 for any that is free.'),
        (['--host', '192.0.2.1'], '--host is 192.0.2.1, which is not an address of this machine'),
        (['--max-megabytes', 0], '--max-megabytes is 0: use a number above 0 and below 1,000,000.'),
        (['--max-megapixels', 'nan'], '--max-megapixels is nan: use a number above 0 and below 1,000,000.'),
    ],
)
def test_wrong_input_is_one_sentence(capsys, tmp_path, monkeypatch, words, sentence):
    monkeypatch.setattr('tempfile.tempdir', str(tmp_path))
    assert sentence in wrong(capsys, *words)
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken(capsys):
    with socket.create_server(('127.0.0.1', 0)) as other:
        port = other.getsockname()[1]
        assert wrong(capsys, '--port', port) == (
            f'bsr serve: Port {port} is taken: name another with --port, or leave it out for the next that is free.\n'
        )


def test_without_gradio_the_extra_is_named(capsys, monkeypatch):
    monkeypatch.setattr('bsr_plugin.serve.gradio_library.find_spec', lambda name: None)
    assert wrong(capsys) == "bsr serve: Gradio is not installed: pip install -e '.[serve]' in the clone.\n"


def test_help_does_not_import_gradio(programs, tmp_path):
    script = tmp_path / 'script.py'
    script.write_text(
        'import sys\nfrom bsr_plugin.cli import main\n'
        "try:\n    main(['serve', '--help'])\nfinally:\n    assert 'gradio' not in sys.modules\n"
    )
    server = programs.fork([script])
    printed, _ = programs.finish(server)
    assert server.returncode == 0, printed
    assert '--max-megapixels MP' in printed
