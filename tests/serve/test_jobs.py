"""Jobs without the page: the file of ``bsr upscale``, sentences without folders, and what goes when."""

import io
import os
import threading
import time

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from bsr_plugin.cli import main
from bsr_plugin.errors import InputError
from bsr_plugin.serve.jobs import KEPT_FOR, JobCancelledError, Jobs
from bsr_plugin.serve.limits import Limits
from bsr_plugin.upscaling.network import load_network
from tests.serve.conftest import animation, bmp_bomb, noise, png_bomb

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()


def quiet(share):
    """Reports nothing."""


def encoded(pixels, form, **settings):
    buffer = io.BytesIO()
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(buffer, form, **settings)
    return buffer.getvalue()


def photograph_of_a_phone():
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = 'a maker'
    return encoded(noise(24, 30, 3), 'JPEG', exif=exif, icc_profile=SRGB)


def palette():
    image = Image.fromarray(noise(24, 30) % 16, 'P')
    image.putpalette(noise(16, 3).tobytes())
    return encoded(image, 'PNG')


def sixteen_bits():
    return cv2.imencode('.png', np.random.default_rng(0).integers(0, 65536, (24, 30, 4), np.uint16))[1].tobytes()


FILES = {
    'photo.png': lambda: encoded(noise(24, 30, 3), 'PNG', icc_profile=SRGB, dpi=(150, 150)),
    'phone.jpg': photograph_of_a_phone,
    'cmyk.jpg': lambda: encoded(Image.new('CMYK', (30, 24), (0, 200, 250, 0)), 'JPEG'),
    'grey.webp': lambda: encoded(noise(24, 30), 'WEBP'),
    'alpha.png': lambda: encoded(noise(24, 30, 4), 'PNG'),
    'deep.png': sixteen_bits,
    'palette.png': palette,
    'scan.tif': lambda: encoded(noise(24, 30, 3), 'TIFF'),
    'icon.bmp': lambda: encoded(noise(24, 30, 3), 'BMP'),
    'a b, c.gif': lambda: encoded(noise(24, 30), 'GIF'),
}


@pytest.mark.parametrize('name', FILES)
def test_the_result_is_the_very_file_that_bsr_upscale_writes(jobs, upload, tiny, tmp_path, name):
    source = upload(name, FILES[name]())
    shares = []
    result = jobs.run('page', source, load_network(tiny, device='cpu'), shares.append)
    suffix = '.png' if source.suffix in ('.bmp', '.gif') else source.suffix
    assert result.file.name == f'{source.stem}_x2{suffix}'
    expected = tmp_path / result.file.name
    assert main(['upscale', str(source), '-o', str(expected), '--weights', str(tiny), '--device', 'cpu']) == 0
    assert result.file.read_bytes() == expected.read_bytes()
    assert shares == [1.0]
    upright = (24, 30) if name == 'phone.jpg' else (30, 24)
    assert (result.input_size, result.output_size) == (upright, tuple(2 * side for side in upright))
    for preview in result.previews:
        with Image.open(preview) as image:
            assert (image.size, image.format) == (result.output_size, 'PNG')
            assert image.mode in ('L', 'RGB')


REFUSED = {
    'broken.png': (lambda path: path.write_bytes(b'no pixels'), 'broken.png cannot be read ('),
    'cut.png': (lambda path: path.write_bytes(encoded(noise(64, 64, 3), 'PNG')[:6000]), 'cut.png cannot be read ('),
    'empty.jpg': (lambda path: path.write_bytes(b''), 'empty.jpg cannot be read ('),
    'moving.gif': (animation, 'moving.gif holds several images: save the one you want as a file of its own.'),
    'moving.png': (animation, 'moving.png holds several images: save the one you want as a file of its own.'),
    'bomb.png': (lambda path: path.write_bytes(png_bomb(90_000, 90_000)), 'bomb.png has 90000 x 90000 pixels, more'),
    'bomb.bmp': (lambda path: path.write_bytes(bmp_bomb(9_000, 9_000)), 'bomb.bmp has 9000 x 9000 pixels, more'),
    'long.tif': (lambda path: path.write_bytes(bytes(1_600_000)), 'long.tif has 1.5 MB, more than the 1 that'),
}


@pytest.mark.parametrize('name', REFUSED)
def test_what_is_refused_has_a_sentence_without_a_folder(jobs, folder, upload, nearest, name):
    make, sentence = REFUSED[name]
    source = upload(name, b'to be made')
    make(source)
    with pytest.raises(InputError) as error:
        jobs.run('page', source, nearest, quiet)
    assert str(error.value).startswith(sentence)
    assert str(folder) not in str(error.value)
    assert [path.name for path in folder.rglob('*') if path.is_file()] == [name]
    assert jobs.run('page', upload('good.png', FILES['photo.png']()), nearest, quiet).file.exists()


def test_files_elsewhere_are_not_uploads(jobs, folder, tmp_path, nearest):
    for path in (tmp_path / 'secret.png', folder / 'secret.png'):
        path.write_bytes(FILES['photo.png']())
        with pytest.raises(InputError, match=r'^secret\.png is not an upload: choose a file\.$'):
            jobs.run('page', path, nearest, quiet)
    jobs.end('page')
    assert (folder / 'secret.png').exists()


def started(jobs, page, source, network):
    """Runs a job in a thread; gives the thread, and where its result or its error will be."""
    outcome = []

    def work():
        try:
            outcome.append(jobs.run(page, source, network, quiet))
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    return thread, outcome


def test_one_job_at_a_time(jobs, upload, gate, nearest):
    first, results = started(jobs, 'first', upload('a.png', FILES['photo.png']()), gate)
    assert gate.reached.wait(30)
    second, others = started(jobs, 'second', upload('b.png', FILES['alpha.png']()), nearest)
    second.join(0.3)
    assert second.is_alive()
    gate.opened.set()
    first.join(30)
    second.join(30)
    assert [result.file.name for result in results + others] == ['a_x2.png', 'b_x2.png']


def test_the_files_of_a_page_go_with_it_but_for_those_of_others(jobs, folder, upload, nearest):
    source = upload('a.png', FILES['photo.png']())
    first = jobs.run('first', source, nearest, quiet)
    second = jobs.run('second', source, nearest, quiet)
    jobs.end('first')
    assert not first.file.exists()
    assert source.exists()
    assert second.file.exists()
    jobs.end('second')
    assert list(folder.iterdir()) == []
    jobs.end('second')


@pytest.mark.parametrize('end', [lambda jobs: jobs.end('first'), lambda jobs: jobs.close(0)], ids=['page', 'server'])
def test_the_job_of_a_page_that_was_closed_is_cancelled(jobs, folder, upload, gate, end):
    thread, outcome = started(jobs, 'first', upload('a.png', FILES['photo.png']()), gate)
    assert gate.reached.wait(30)
    end(jobs)
    gate.opened.set()
    thread.join(30)
    assert [type(error) for error in outcome] == [JobCancelledError]
    assert list(folder.iterdir()) == []


def test_a_page_that_comes_back_may_go_on(jobs, upload, nearest):
    jobs.end('page')
    assert jobs.run('page', upload('a.png', FILES['photo.png']()), nearest, quiet).file.exists()


def test_a_server_that_ends_begins_no_job_and_waits_for_the_tile_in_work(jobs, upload, gate):
    source = upload('a.png', FILES['photo.png']())
    thread, _ = started(jobs, 'page', source, gate)
    assert gate.reached.wait(30)
    threading.Timer(0.3, gate.opened.set).start()
    jobs.close()
    assert gate.opened.is_set()
    thread.join(30)
    with pytest.raises(JobCancelledError):
        jobs.run('page', upload('b.png', FILES['alpha.png']()), gate, quiet)


def test_old_files_go_but_for_those_in_work(jobs, folder, upload, gate, nearest):
    old = jobs.run('idle', upload('b.png', FILES['alpha.png']()), nearest, quiet)
    source = upload('a.png', FILES['photo.png']())
    thread, outcome = started(jobs, 'busy', source, gate)
    assert gate.reached.wait(30)
    for entry in folder.iterdir():
        os.utime(entry, times=(time.time() - KEPT_FOR - 10,) * 2)
    jobs.remove_old()
    assert not old.file.exists()
    gate.opened.set()
    thread.join(30)
    assert outcome[0].file.exists()
    assert source.exists()


def test_a_full_disk_is_an_error_and_leaves_nothing(jobs, folder, upload, nearest, monkeypatch):
    def failing(*_):
        raise OSError(28, 'No space left on device')

    source = upload('a.png', FILES['photo.png']())
    monkeypatch.setattr(os, 'fsync', failing)
    with pytest.raises(OSError, match='No space left'):
        jobs.run('page', source, nearest, quiet)
    assert [path.name for path in folder.rglob('*') if path.is_file()] == ['a.png']


def test_limits_are_those_of_the_server(folder, upload, nearest):
    jobs = Jobs(folder, Limits(megapixels=0.0007))
    with pytest.raises(InputError, match=r'30 x 24 pixels, more than the 0\.0007 megapixels'):
        jobs.run('page', upload('a.png', FILES['photo.png']()), nearest, quiet)
