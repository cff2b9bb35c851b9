"""What programs may ask of the page's server, beside what its page asks."""

import json
import urllib.request
from urllib.parse import quote

import pytest
from PIL import Image

from tests.serve.conftest import PATIENCE, noise, save

NO_UPLOAD = 'This is not an upload: choose a file.'


def ask(served, *given):
    """What the server answers to a job with these inputs: whether it was done, and the outputs or the error."""
    name = 'a program'
    body = {'data': given, 'fn_index': 0, 'session_hash': name}
    request = urllib.request.Request(f'{served.url}/gradio_api/queue/join', json.dumps(body).encode())
    request.add_header('Content-Type', 'application/json')
    urllib.request.urlopen(request, timeout=PATIENCE).close()
    address = f'{served.url}/gradio_api/queue/data?session_hash={quote(name)}'
    with urllib.request.urlopen(address, timeout=PATIENCE) as told:
        events = [json.loads(line.removeprefix(b'data: ')) for line in told.read().split(b'\n\n') if line]
    (end,) = [event for event in events if event['msg'] == 'process_completed']
    return end['success'], end['output'].get('error', end['output'].get('data'))


def file_at(path):
    return {'path': str(path), 'meta': {'_type': 'gradio.FileData'}}


def uploaded(served, path):
    """The path that the server gives an upload."""
    head = f'--x\r\nContent-Disposition: form-data; name="files"; filename="{path.name}"\r\n\r\n'.encode()
    request = urllib.request.Request(f'{served.url}/gradio_api/upload', head + path.read_bytes() + b'\r\n--x--\r\n')
    request.add_header('Content-Type', 'multipart/form-data; boundary=x')
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.load(answer)[0]


def test_what_was_uploaded_is_upscaled(served, tmp_path):
    path = uploaded(served, save(tmp_path / 'photo.png', noise(20, 30, 3)))
    is_done, (told, _, download) = ask(served, file_at(path), 'tiny_x2')
    assert is_done
    assert 'photo.png: 30 x 20 to 60 x 40 pixels by tiny_x2' in told
    with urllib.request.urlopen(download['value']['url'], timeout=PATIENCE) as answer, Image.open(answer) as image:
        assert image.size == (60, 40)


@pytest.mark.parametrize('place', [0, 1], ids=['upload', 'network'])
def test_no_file_of_the_machine_is_read(served, tmp_path, place):
    secret = save(tmp_path / 'secret.png', noise(20, 30, 3))
    hidden = served.folder / '.secret'
    hidden.write_text('a key')
    given = [None, 'tiny_x2']
    for path in (secret, hidden, served.folder / 'x/../../secret.png'):
        given[place] = file_at(path)
        is_done, error = ask(served, *given)
        assert not is_done
        assert error == NO_UPLOAD or error.endswith('because it was not uploaded by a user.')
    assert [path for path in served.files() if path.name == 'secret.png'] == []


@pytest.mark.parametrize('place', [0, 1], ids=['upload', 'network'])
def test_no_address_is_fetched(served, monkeypatch, place):
    from gradio import processing_utils

    fetched = []

    async def fetch(address, cache_dir):
        fetched.append(address)

    monkeypatch.setattr(processing_utils, 'async_ssrf_protected_download', fetch)
    given = [None, 'tiny_x2']
    given[place] = file_at('https://192.0.2.1/a.png')
    assert ask(served, *given) == (False, NO_UPLOAD)
    assert fetched == []
