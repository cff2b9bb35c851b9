"""Downloads from a real HTTP server on the loopback interface that can be told to misbehave."""

import hashlib
import multiprocessing
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from bsr_plugin.data import download as downloading
from bsr_plugin.data.download import download
from bsr_plugin.errors import InputError

CONTENT = np.random.default_rng(5).bytes(3_500_000)
MD5 = hashlib.md5(CONTENT).hexdigest()
#: A broken connection may cost this much of what had arrived.
LOSS = 1 << 16


class Server:
    """Serves CONTENT as every path but /missing.

    Attributes:
        break_after: Bytes after which the connection is cut, one entry per request; ``None`` cuts none.
        ranges: Whether it can begin in the middle.
        ranged_requests: First byte asked for, per request.
    """

    def __init__(self):
        self.break_after: list[int | None] = []
        self.ranges = True
        self.content = CONTENT
        self.asked: list[int] = []
        self.statuses: list[int] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def do_GET(self):
                owner.answer(self)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.address = f'http://127.0.0.1:{self._server.server_address[1]}'

    def answer(self, request):
        match = re.fullmatch(r'bytes=(\d+)-', request.headers.get('Range', ''))
        begin = int(match[1]) if match else 0
        self.asked.append(begin)
        begin = begin if self.ranges else 0
        status = self.statuses.pop(0) if self.statuses else 0
        if status or request.path == '/missing':
            request.send_error(status or 404)
            return
        if begin >= len(self.content):
            request.send_response(416)
            request.send_header('Content-Range', f'bytes */{len(self.content)}')
            request.send_header('Content-Length', '0')
            request.end_headers()
            return
        body = self.content[begin:]
        request.send_response(206 if begin else 200)
        if begin:
            request.send_header('Content-Range', f'bytes {begin}-{len(self.content) - 1}/{len(self.content)}')
        request.send_header('Content-Length', str(len(body)))
        request.end_headers()
        limit = self.break_after.pop(0) if self.break_after else None
        request.wfile.write(body[:limit])
        if limit is not None:
            request.wfile.flush()
            request.close_connection = True

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(60)


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def no_rest(monkeypatch):
    monkeypatch.setattr(downloading, '_REST', 0)


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_whole_and_alone(server, tmp_path):
    file = download(f'{server.address}/set.tar', MD5, tmp_path / 'archives')

    assert file == tmp_path / 'archives' / 'set.tar'
    assert file.read_bytes() == CONTENT
    assert files_in(tmp_path / 'archives') == ['set.tar']


def test_a_transfer_that_breaks_off_is_gone_on_with(server, tmp_path):
    server.break_after = [1_000_000, 700_000, None]

    file = download(f'{server.address}/set.tar', MD5, tmp_path)

    assert file.read_bytes() == CONTENT
    first, second, third = server.asked
    assert first == 0
    assert 1_000_000 - LOSS < second <= 1_000_000
    assert second + 700_000 - LOSS < third <= second + 700_000
    assert files_in(tmp_path) == ['set.tar']


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(server, tmp_path):
    server.break_after = [1_200_000, 0, 0, 0, 0, 0]

    with pytest.raises(InputError, match=r'set\.tar broke off after 1\.2 MB .* same command resumes there'):
        download(f'{server.address}/set.tar', MD5, tmp_path)
    assert files_in(tmp_path) == ['set.tar.part']
    begun = (tmp_path / 'set.tar.part').read_bytes()
    assert 1_200_000 - LOSS < len(begun) <= 1_200_000
    assert begun == CONTENT[: len(begun)]

    server.asked.clear()
    assert download(f'{server.address}/set.tar', MD5, tmp_path).read_bytes() == CONTENT
    assert server.asked == [len(begun)]


def test_a_server_that_cannot_begin_in_the_middle_sends_all_of_it(server, tmp_path):
    server.ranges = False
    (tmp_path / 'set.tar.part').write_bytes(b'x' * 500_000)

    assert download(f'{server.address}/set.tar', MD5, tmp_path).read_bytes() == CONTENT
    assert server.asked == [500_000]


@pytest.mark.parametrize('surplus', [b'', b'too much'])
def test_a_part_that_is_already_complete_or_too_long_is_no_obstacle(server, tmp_path, surplus):
    (tmp_path / 'set.tar.part').write_bytes(CONTENT + surplus)

    assert download(f'{server.address}/set.tar', MD5, tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == (2 if surplus else 1)


def test_a_wrong_digest_is_refused_and_nothing_is_left_behind(server, tmp_path):
    server.content = CONTENT[:-1] + b'?'

    with pytest.raises(InputError, match=f'not the file it should be .*{MD5}'):
        download(f'{server.address}/set.tar', MD5, tmp_path)

    assert files_in(tmp_path) == []


def test_a_damaged_part_is_refused_once_and_then_fetched_anew(server, tmp_path):
    (tmp_path / 'set.tar.part').write_bytes(b'x' * 1_000_000)
    with pytest.raises(InputError, match='MD5'):
        download(f'{server.address}/set.tar', MD5, tmp_path)

    assert download(f'{server.address}/set.tar', MD5, tmp_path).read_bytes() == CONTENT


def test_a_file_that_is_there_is_not_asked_for(server, tmp_path):
    (tmp_path / 'set.tar').write_bytes(CONTENT)

    assert download(f'{server.address}/set.tar', MD5, tmp_path).read_bytes() == CONTENT
    assert server.asked == []


def test_a_file_the_server_does_not_have_is_named_at_once(server, tmp_path):
    with pytest.raises(InputError, match=r'/missing cannot be downloaded: the server answers 404 Not Found'):
        download(f'{server.address}/missing', MD5, tmp_path)
    assert server.asked == [0]
    assert files_in(tmp_path) == []


def test_a_server_in_trouble_is_asked_again(server, tmp_path):
    server.statuses = [503, 500]

    assert download(f'{server.address}/set.tar', MD5, tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 3


def test_a_server_that_is_not_there_is_one_sentence(server, tmp_path):
    server.close()
    with pytest.raises(InputError, match=r'broke off after 0\.0 MB \(the connection failed or stalled\)'):
        download(f'{server.address}/set.tar', MD5, tmp_path)
    server.__init__()  # for the fixture to close


def test_of_two_processes_one_downloads_and_the_other_waits(server, tmp_path):
    begun, go_on = threading.Event(), threading.Event()
    answer = server.answer

    def slow_answer(request):
        begun.set()
        assert go_on.wait(60)
        answer(request)

    server.answer = slow_answer
    url, folder = f'{server.address}/set.tar', tmp_path / 'archives'
    processes = [
        multiprocessing.get_context('fork').Process(target=download, args=(url, MD5, folder)) for _ in range(2)
    ]
    processes[0].start()
    assert begun.wait(60)
    processes[1].start()
    processes[1].join(1)
    assert processes[1].is_alive()
    assert len(server.asked) == 0
    go_on.set()
    for process in processes:
        process.join(60)
        process.kill()
    assert [process.exitcode for process in processes] == [0, 0]
    assert server.asked == [0]
    assert (folder / 'set.tar').read_bytes() == CONTENT
    assert files_in(folder) == ['set.tar']


def test_what_a_killed_process_has_left_is_no_obstacle(server, tmp_path):
    (tmp_path / '.set.tar.lock').touch()
    (tmp_path / 'set.tar.part').write_bytes(CONTENT[:1_000_000])
    assert download(f'{server.address}/set.tar', MD5, tmp_path).read_bytes() == CONTENT
    assert server.asked == [1_000_000]
    assert files_in(tmp_path) == ['set.tar']


def test_a_wrong_file_that_somebody_put_there_is_named_and_kept(server, tmp_path):
    (tmp_path / 'set.tar').write_bytes(b'another archive')
    found = hashlib.md5(b'another archive').hexdigest()
    server.statuses = [503] * 9
    with pytest.raises(
        InputError, match=rf'set\.tar is not the file it should be: its MD5 sum is {found}, not {MD5}; re'
    ):
        download(f'{server.address}/set.tar', MD5, tmp_path)
    assert server.asked == []
    assert (tmp_path / 'set.tar').read_bytes() == b'another archive'
