import struct
import threading
import zlib

import numpy as np
import pytest
from PIL import Image

from bsr_plugin.serve.address import listen, url_of
from bsr_plugin.serve.choices import Choice, load_choices
from bsr_plugin.serve.gradio_library import prepare_gradio
from bsr_plugin.serve.jobs import Jobs
from bsr_plugin.serve.limits import Limits
from tests.upscaling.conftest import Doubling, nearest, tiny  # noqa: F401 - fixtures

#: On a machine that does other things.
PATIENCE = 60


class Gate(Doubling):
    """Nearest-neighbour upsampling that waits, in every tile, until it is let through; see ``RGBNetwork``."""

    name = 'gate'

    def __init__(self):
        super().__init__()
        self.reached, self.opened = threading.Event(), threading.Event()

    def __call__(self, image):
        self.reached.set()
        assert self.opened.wait(60)
        return super().__call__(image)

    def shut(self):
        self.reached.clear()
        self.opened.clear()


class Served:
    """A server in this process, with its folder and the gate that holds the second of its networks back."""

    def __init__(self, url, folder, gate):
        self.url, self.folder, self.gate = url, folder, gate

    def files(self):
        return [path for path in self.folder.rglob('*') if path.is_file() and path.stat().st_size]


@pytest.fixture(scope='module')
def served(tiny, tmp_path_factory):  # noqa: F811 - the fixture
    folder = tmp_path_factory.mktemp('served')
    with pytest.MonkeyPatch.context() as patch:
        for name in ('GRADIO_ANALYTICS_ENABLED', 'HF_HUB_DISABLE_TELEMETRY', 'GRADIO_TEMP_DIR'):
            patch.setenv(name, '')
        prepare_gradio(folder)
        from bsr_plugin.serve.page import build_page
        from bsr_plugin.serve.server import PageServer, build_app

        gate, started = Gate(), threading.Event()
        gate.opened.set()
        jobs = Jobs(folder, Limits(megabytes=1, megapixels=0.5, waiting=1))
        choices = [*load_choices([str(tiny)], 'cpu'), Choice('gate', 'x2', gate)]
        with listen('127.0.0.1', 0) as listening:
            server = PageServer(build_app(build_page(choices, jobs), jobs, listening), started.set)
            thread = threading.Thread(target=server.run, args=([listening],))
            thread.start()
            assert started.wait(PATIENCE)
            yield Served(url_of(listening), folder, gate)
            gate.opened.set()
            server.should_exit = True
            thread.join(PATIENCE)


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.opened.set()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / 'served').mkdir()
    return tmp_path / 'served'


@pytest.fixture
def jobs(folder):
    return Jobs(folder, Limits(megabytes=1, megapixels=0.5))


@pytest.fixture
def upload(folder):
    """Puts a file where Gradio puts uploads, in a folder named after its content."""

    def put(name, content):
        path = folder / f'{zlib.crc32(content):x}' / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return path

    return put


def noise(*shape):
    return np.random.default_rng(3).integers(0, 256, shape, np.uint8)


def save(path, pixels, **settings):
    Image.fromarray(pixels).save(path, **settings)
    return path


def png_bomb(width, height):
    """A PNG whose header tells of more pixels than there are."""

    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))

    header = chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0))
    return b'\x89PNG\r\n\x1a\n' + header + chunk(b'IDAT', zlib.compress(bytes(100_000)))


def bmp_bomb(width, height):
    """The same as a BMP with run lengths, which Pillow decodes."""
    header = struct.pack('<IiiHHIIiiII', 40, width, height, 1, 8, 1, 4, 0, 0, 0, 0)
    return b'BM' + struct.pack('<IHHI', 14 + 40 + 1024 + 4, 0, 0, 14 + 40 + 1024) + header + bytes(1024) + b'\0\1\0\1'


def animation(path):
    frames = [Image.new('RGB', (20, 20), colour) for colour in ('red', 'green', 'blue')]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    return path
