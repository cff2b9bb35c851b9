"""Files that are not one image of 8 or 16 bits, and what is said of them."""

import io
import os
import struct
from contextlib import suppress

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.upscaling.conftest import done, doubled, reason


def animation(path, **settings):
    frames = [Image.new('RGB', (20, 20), colour) for colour in ('red', 'green', 'blue')]
    frames[0].save(path, save_all=True, append_images=frames[1:], **settings)


def two_heic(path):
    from pillow_heif import from_pillow

    pages = from_pillow(Image.new('RGB', (20, 20), 'red'))
    pages.add_from_pillow(Image.new('RGB', (20, 20), 'blue'))
    pages.save(str(path))


def two_dcx(path):
    """Pages of faxes, which Pillow reads."""
    page = io.BytesIO()
    Image.new('RGB', (20, 20), 'red').save(page, 'PCX')
    content = page.getvalue()
    path.write_bytes(struct.pack('<4I', 0x3ADE68B1, 16, 16 + len(content), 0) + 2 * content)


@pytest.mark.parametrize(
    ('name', 'make'),
    [
        *((name, animation) for name in ('a.gif', 'a.webp', 'a.png', 'a.tif', 'a.avif')),
        ('a.heic', two_heic),
        ('a.dcx', two_dcx),
    ],
)
def test_animations_and_pages_are_refused(upscaled, tmp_path, name, make):
    make(tmp_path / name)
    assert reason(upscaled(tmp_path / name, 'out.png')).endswith(
        f'{name} holds several images: save the one you want as a file of its own.'
    )


def test_no_file_starts_ghostscript(upscaled, tmp_path, monkeypatch):
    script = tmp_path / 'bin' / 'gs'
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\ntouch {tmp_path}/started\n')
    script.chmod(0o755)
    monkeypatch.setenv('PATH', f'{script.parent}:{os.environ["PATH"]}')
    monkeypatch.setattr('PIL.EpsImagePlugin.gs_binary', None)
    page = tmp_path / 'photo.png'
    Image.new('RGB', (20, 20), 'red').save(page, 'EPS')
    with suppress(OSError):  # the script writes no image
        Image.open(page).load()
    (tmp_path / 'started').unlink()
    assert 'photo.png cannot be read (' in reason(upscaled(page, 'out.png'))
    assert not (tmp_path / 'started').exists()


@pytest.mark.parametrize('name', ['a.png', 'a.jpg', 'a.webp', 'a.tif', 'a.avif', 'a.gif', 'a.bmp'])
@pytest.mark.parametrize('part', [0.02, 0.5, 0.95])
def test_truncated_files_are_errors_and_leave_nothing(upscaled, tmp_path, noise, name, part):
    Image.fromarray(noise(64, 64, 3)).save(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(part * len(whole))])
    assert f'{name} cannot be read (' in reason(upscaled(tmp_path / name, 'out.png'))
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    'content', [b'', b'no pixels', b'\x89PNG\r\n\x1a\n', b'<svg xmlns="http://www.w3.org/2000/svg"/>']
)
def test_what_is_no_image(upscaled, tmp_path, content):
    (tmp_path / 'x.png').write_bytes(content)
    assert 'x.png cannot be read (' in reason(upscaled(tmp_path / 'x.png', 'out.png'))


def test_decompression_bombs_are_refused_by_their_header(upscaled, tmp_path):
    header = struct.pack('>IIBBBBB', 100_000, 100_000, 8, 2, 0, 0, 0)
    import zlib

    chunk = struct.pack('>I', 13) + b'IHDR' + header + struct.pack('>I', zlib.crc32(b'IHDR' + header))
    (tmp_path / 'bomb.png').write_bytes(b'\x89PNG\r\n\x1a\n' + chunk + b'\0\0\0\0IDAT\x35\xaf\x06\x1e')
    sentence = reason(upscaled(tmp_path / 'bomb.png', 'out.png'))
    assert '100000 x 100000 pixels, more than the 536,870,912 that are allowed: raise --max-pixels' in sentence


def test_samples_that_are_neither_8_nor_16_bits(upscaled, tmp_path):
    Image.fromarray(np.zeros((20, 20), np.float32)).save(tmp_path / 'float.tif')
    assert 'samples of type float: convert it to 8 or 16 bits' in reason(upscaled(tmp_path / 'float.tif', 'out.png'))


def test_the_limit_on_pixels_is_the_given_one_and_not_that_of_pillow(upscaled, tmp_path, noise, monkeypatch):
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 100)
    pixels = noise(20, 30, 3)
    Image.fromarray(pixels).save(tmp_path / 'in.bmp')
    result = done(upscaled(tmp_path / 'in.bmp', 'out.png', max_pixels=600))
    assert (cv2.imread(str(result))[..., ::-1] == doubled(pixels)).all()
    sentence = reason(upscaled(tmp_path / 'in.bmp', 'out.png', max_pixels=599))
    assert 'in.bmp has 30 x 20 pixels, more than the 599 that are allowed' in sentence
    assert Image.MAX_IMAGE_PIXELS == 100


def test_jpeg_2000_of_16_bits(upscaled, tmp_path, noise):
    grey = noise(20, 30, dtype=np.uint16)
    Image.fromarray(grey).save(tmp_path / 'grey.jp2', irreversible=False)
    result = done(upscaled(tmp_path / 'grey.jp2', 'grey.png'))
    assert (cv2.imread(str(result), cv2.IMREAD_UNCHANGED) == doubled(grey)).all()
    assert cv2.imwrite(str(tmp_path / 'rgb.jp2'), noise(64, 64, 3, dtype=np.uint16))
    assert reason(upscaled(tmp_path / 'rgb.jp2', 'rgb.png')) == (
        f'{tmp_path / "rgb.jp2"} has samples of 16 bits, which are read from JPEG 2000 files in grey only: convert it '
        'to PNG or TIFF first.'
    )
    pixels = noise(20, 30, 3)
    for name in ('rgb.jp2', 'rgb.j2k'):
        Image.fromarray(pixels).save(tmp_path / name)
        with Image.open(done(upscaled(tmp_path / name, 'rgb.png', overwrite=True))) as image:
            assert (np.asarray(image) == doubled(pixels)).all()
