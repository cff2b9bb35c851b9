"""Image files of every kind, through a network that repeats pixels, whose results can be told beforehand."""

import io
import os
import resource
import struct
import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from bsr_plugin.upscaling.files import FileSettings, upscale_files
from bsr_plugin.upscaling.libvips import pyvips
from bsr_plugin.upscaling.plan import Job, plan
from bsr_plugin.upscaling.strips import Tiling
from tests.upscaling.conftest import Doubling

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
SMALL_TILES = Tiling(16, 4)
#: Where OpenCV has the bands of an image.
BGR = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}


@pytest.fixture
def upscaled(tmp_path):
    """Upscales one file and gives the outcome."""

    def run(source, target, **settings):
        return upscale_files(
            [Job(source, tmp_path / target)], Doubling(), FileSettings(**{'tiling': SMALL_TILES} | settings)
        )

    return run


def done(outcome):
    assert not outcome.failed
    (path,) = outcome.done
    return path


def reason(outcome):
    assert not outcome.done
    (sentence,) = outcome.failed.values()
    assert '\n' not in sentence
    return sentence


def doubled(pixels):
    return pixels.repeat(2, 0).repeat(2, 1)


@pytest.mark.parametrize('bands', [1, 2, 3, 4])
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
@pytest.mark.parametrize('suffix', ['.png', '.tif'])
def test_lossless_files_of_8_and_16_bits(upscaled, tmp_path, noise, bands, dtype, suffix):
    pixels = noise(40, 50, bands, dtype=dtype)
    if bands in (2, 4):
        pixels[..., -1] = np.iinfo(dtype).max
    source = tmp_path / f'in{suffix}'
    if bands == 2:  # which neither Pillow nor OpenCV knows in 16 bits
        image = pyvips.Image.new_from_array(pixels, interpretation='grey16' if dtype == np.uint16 else 'b-w')
        image.write_to_file(source)
    else:
        assert cv2.imwrite(str(source), pixels[..., BGR[bands]])
    path = done(upscaled(source, f'out{suffix}'))
    if bands == 2:
        back = pyvips.Image.new_from_file(path).numpy()
    else:
        back = np.atleast_3d(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))[..., BGR[bands]]
    assert back.dtype == dtype
    assert (back == doubled(pixels)).all()


@pytest.mark.parametrize(('suffix', 'bound'), [('.jpg', 4), ('.webp', 6), ('.avif', 4)])
def test_lossy_files(upscaled, tmp_path, suffix, bound):
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    pixels = np.stack([ramp[None].repeat(48, 0), ramp[:48, None].repeat(64, 1), np.full((48, 64), 90, np.uint8)], -1)
    Image.fromarray(pixels).save(tmp_path / f'in{suffix}', quality=100)
    path = done(upscaled(tmp_path / f'in{suffix}', f'out{suffix}'))
    with Image.open(path) as image:
        assert image.size == (128, 96)
        assert np.abs(np.asarray(image.convert('RGB')).astype(int) - doubled(pixels)).mean() < bound


def test_heic_files_of_phones(upscaled, tmp_path):
    from pillow_heif import from_pillow

    pixels = np.full((48, 64, 3), 40, np.uint8)
    pixels[:24, :32] = (250, 20, 20)  # a red quarter
    from_pillow(Image.fromarray(pixels)).save(str(tmp_path / 'in.heic'), quality=95)
    with Image.open(done(upscaled(tmp_path / 'in.heic', 'out.png'))) as image:
        assert np.abs(np.asarray(image).astype(int) - doubled(pixels)).mean() < 3


@pytest.mark.parametrize('orientation', range(1, 9))
def test_exif_orientation_is_carried_out_and_reset_and_the_rest_is_kept(upscaled, tmp_path, orientation):
    pixels = np.zeros((32, 64, 3), np.uint8)
    pixels[:16, :32] = (250, 20, 20)  # a red quarter
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = 'a maker'
    exif.get_ifd(0x8769)[0x9003] = '2026:01:02 03:04:05'
    Image.fromarray(pixels).save(tmp_path / 'in.jpg', exif=exif, icc_profile=SRGB, dpi=(300, 300), quality=100)
    path = done(upscaled(tmp_path / 'in.jpg', 'out.jpg'))
    with Image.open(tmp_path / 'in.jpg') as image:
        from PIL import ImageOps

        expected = doubled(np.asarray(ImageOps.exif_transpose(image)))
    with Image.open(path) as image:
        assert np.abs(np.asarray(image).astype(int) - expected).mean() < 3
        kept = image.getexif()
        assert kept.get(0x0112, 1) == 1
        assert kept[0x010F].rstrip('\0') == 'a maker'
        assert kept.get_ifd(0x8769)[0x9003] == '2026:01:02 03:04:05'
        assert image.info['icc_profile'] == SRGB
        assert image.info['dpi'] == pytest.approx((300, 300), abs=0.6)


@pytest.mark.parametrize('suffix', ['.png', '.webp', '.tif'])
def test_colour_profiles_and_density_in_other_formats(upscaled, tmp_path, noise, suffix):
    Image.fromarray(noise(20, 30, 3)).save(tmp_path / f'in{suffix}', icc_profile=SRGB, dpi=(150, 150))
    with Image.open(done(upscaled(tmp_path / f'in{suffix}', f'out{suffix}'))) as image:
        assert image.info['icc_profile'] == SRGB
        if suffix != '.webp':
            assert image.info['dpi'] == pytest.approx((150, 150), abs=0.6)


def test_palettes_and_bits_become_colours(upscaled, tmp_path, noise):
    colours = noise(16, 3)
    indices = noise(20, 30) % 16
    image = Image.fromarray(indices, 'P')
    image.putpalette(colours.tobytes())
    image.save(tmp_path / 'palette.png')
    with Image.open(done(upscaled(tmp_path / 'palette.png', 'a.png'))) as result:
        assert (np.asarray(result.convert('RGB')) == doubled(colours[indices])).all()
    bits = noise(20, 30) > 127
    Image.fromarray(bits).save(tmp_path / 'bits.png')
    with Image.open(done(upscaled(tmp_path / 'bits.png', 'b.png'))) as result:
        assert (np.asarray(result.convert('L')) == doubled(bits * np.uint8(255))).all()


def test_transparent_palettes_keep_their_alpha(upscaled, tmp_path):
    image = Image.new('P', (20, 20), 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    image.paste(0, (0, 0, 10, 20))
    image.save(tmp_path / 'in.gif', transparency=0)
    with Image.open(done(upscaled(tmp_path / 'in.gif', 'out.png'))) as result:
        assert result.mode == 'RGBA'
        assert result.getpixel((30, 5)) == (200, 100, 50, 255)
        assert result.getpixel((5, 5))[3] == 0


def test_cmyk_becomes_rgb(upscaled, tmp_path):
    Image.new('CMYK', (20, 20), (0, 255, 255, 0)).save(tmp_path / 'in.jpg', quality=100)
    with Image.open(done(upscaled(tmp_path / 'in.jpg', 'out.jpg'))) as image:
        red, green, blue = np.asarray(image).reshape(-1, 3).mean(0)
        assert image.mode == 'RGB'
    assert red > 180
    assert max(green, blue) < 90


def test_bmp_and_names_with_brackets_and_bytes_that_are_not_text(upscaled, tmp_path, noise):
    pixels = noise(20, 20, 3)
    source = tmp_path / os.fsdecode(b'caf\xe9 [page=2].bmp')
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, 'BMP')
    source.write_bytes(buffer.getvalue())
    path = done(upscaled(source, os.fsdecode(b'r\xe9sult [Q=3].png')))
    assert (np.asarray(Image.open(io.BytesIO(path.read_bytes()))) == doubled(pixels)).all()


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


@pytest.mark.parametrize(('largest', 'dtype'), [(100, np.uint8), (1023, np.uint16)])
def test_samples_of_netpbm_that_do_not_fill_their_bits_are_scaled(upscaled, tmp_path, largest, dtype):
    samples = np.array([0, largest // 4, largest // 2, largest], '>u2' if largest > 255 else np.uint8)
    (tmp_path / 'in.pgm').write_bytes(f'P5 4 1 {largest}\n'.encode() + samples.tobytes())
    pixels = cv2.imread(str(done(upscaled(tmp_path / 'in.pgm', 'out.png'))), cv2.IMREAD_UNCHANGED)
    assert pixels.dtype == dtype
    np.testing.assert_allclose(pixels / np.iinfo(dtype).max, doubled(samples[None] / largest), atol=1 / 255)


def test_formats_that_cannot_hold_the_result(upscaled, tmp_path, noise):
    Image.fromarray(noise(20, 20, 4)).save(tmp_path / 'in.png')
    assert 'JPEG has no alpha, use PNG' in reason(upscaled(tmp_path / 'in.png', 'out.jpg'))
    Image.fromarray(noise(2, 8192, 3)).save(tmp_path / 'wide.png')
    assert 'it would be 16384 x 4, and sides end at 16,383' in reason(upscaled(tmp_path / 'wide.png', 'out.webp'))


def test_sixteen_bits_are_rounded_where_the_format_has_eight(upscaled, tmp_path):
    cv2.imwrite(str(tmp_path / 'in.png'), np.full((16, 16, 3), 257 * 99 + 129, np.uint16))
    assert cv2.imread(str(done(upscaled(tmp_path / 'in.png', 'out.jpg'))))[8, 8].tolist() == [100] * 3


def test_what_is_there_and_whole_is_left_and_what_is_not_is_made_anew(tmp_path, noise, upscaled):
    Image.fromarray(noise(64, 64, 3)).save(tmp_path / 'in.png')
    path = done(upscaled(tmp_path / 'in.png', 'out.png'))
    whole = path.read_bytes()
    before = path.stat().st_mtime_ns
    assert upscaled(tmp_path / 'in.png', 'out.png').skipped == [path]
    assert path.stat().st_mtime_ns == before
    assert done(upscaled(tmp_path / 'in.png', 'out.png', overwrite=True)) == path
    path.write_bytes(whole[:-200])
    assert done(upscaled(tmp_path / 'in.png', 'out.png')) == path
    assert path.read_bytes() == whole
    Image.fromarray(noise(64, 64, 3)).save(path)
    done(upscaled(tmp_path / 'in.png', 'out.png'))
    assert path.read_bytes() == whole


def test_one_bad_file_stops_no_other(tmp_path, noise):
    for name in 'abc':
        Image.fromarray(noise(20, 20, 3)).save(tmp_path / f'{name}.png')
    (tmp_path / 'b.png').write_bytes(b'broken')
    outcome = upscale_files(plan([str(tmp_path)], tmp_path / 'out'), Doubling(), FileSettings())
    assert [path.name for path in outcome.done] == ['a.png', 'c.png']
    assert [path.name for path in outcome.failed] == ['b.png']
    assert outcome.pixels == 2 * 40 * 40


def test_the_comparison_is_bicubic_beside_the_result(tmp_path, upscaled):
    from bsr_plugin.data.degradation import imresize

    rng = np.random.default_rng(2)
    pixels = cv2.GaussianBlur(rng.integers(0, 256, (40, 50, 3), np.uint8), (7, 7), 2)
    Image.fromarray(pixels).save(tmp_path / 'in.png')
    path = done(upscaled(tmp_path / 'in.png', 'out.png', compare=True))
    picture = np.asarray(Image.open(tmp_path / 'out.png_bicubic_BSR.png'))
    assert (picture[:, 100:] == np.asarray(Image.open(path))).all()
    assert np.abs(picture[4:-4, 4:96].astype(int) - imresize(pixels, 80, 100)[4:-4, 4:-4]).max() <= 2


LIMITED = """
import resource, sys
from pathlib import Path
from bsr_plugin.upscaling.files import FileSettings, upscale_files
from bsr_plugin.upscaling.plan import Job
from tests.upscaling.conftest import Doubling
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    upscale_files([Job(Path(sys.argv[1]), Path(sys.argv[2]))], Doubling(), FileSettings())
except OSError as error:
    print(error.errno, error.filename)
"""


def test_a_disk_that_takes_no_more_ends_the_work_with_its_own_error(tmp_path, noise):
    assert resource.getrlimit(resource.RLIMIT_FSIZE)
    Image.fromarray(noise(200, 200, 3)).save(tmp_path / 'in.png')
    words = [sys.executable, '-c', LIMITED, str(tmp_path / 'in.png'), str(tmp_path / 'out.png')]
    told = subprocess.run(words, capture_output=True, text=True, timeout=300, env={**os.environ, 'PYTHONPATH': '.'})
    assert told.stdout == f'27 {tmp_path / "out.png"}\n', told.stderr
    assert not (tmp_path / 'out.png').exists()


def test_a_name_that_gets_too_long_stops_no_other(tmp_path, noise):
    (tmp_path / 'in').mkdir()
    for name in ('a' * 241 + '.png', 'b' * 251 + '.bmp', 'b' * 252 + '.im', 'c.png'):
        with (tmp_path / 'in' / name).open('wb') as file:
            Image.fromarray(noise(20, 20, 3)).save(file, 'PNG')
    jobs = plan([str(tmp_path / 'in/*')], tmp_path / 'out')
    outcome = upscale_files(jobs, Doubling(), FileSettings())
    assert [path.name for path in outcome.done] == ['a' * 241 + '.png', 'b' * 251 + '.png', 'c.png']
    ((source, sentence),) = outcome.failed.items()
    target = tmp_path / 'out' / ('b' * 252 + '.png')
    assert sentence == f'{target} cannot be written (File name too long): give {source} a shorter name.'


def test_each_of_two_images_of_the_same_stem_has_its_comparison(tmp_path, noise):
    pixels = {'x.png': noise(20, 20, 3), 'x.tif': noise(20, 30, 3), 'x_bicubic_BSR.png': noise(20, 40, 3)}
    (tmp_path / 'in').mkdir()
    for name, image in pixels.items():
        Image.fromarray(image).save(tmp_path / 'in' / name)
    jobs = plan([str(tmp_path / 'in')], tmp_path / 'out', compare=True)
    assert not upscale_files(jobs, Doubling(), FileSettings(compare=True)).failed
    for name, image in pixels.items():
        picture = np.asarray(Image.open(tmp_path / 'out' / f'{name}_bicubic_BSR.png'))
        assert (np.asarray(Image.open(tmp_path / 'out' / name)) == doubled(image)).all()
        assert (picture[:, 2 * image.shape[1] :] == doubled(image)).all()


@pytest.mark.parametrize('suffix', ['.webp', '.avif', '.png'])
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
@pytest.mark.parametrize(('bands', 'alpha'), [(2, 0.6), (2, 1), (4, 1), (1, None)])
def test_comparisons_where_the_format_has_other_bands(upscaled, tmp_path, suffix, dtype, bands, alpha):
    white = np.iinfo(dtype).max
    pixels = np.full((24, 32, bands), round(0.4 * white), dtype)
    if alpha:
        pixels[..., -1] = round(alpha * white)
    kinds = ('grey16', 'rgb16') if dtype == np.uint16 else ('b-w', 'srgb')
    pyvips.Image.new_from_array(pixels, interpretation=kinds[bands > 2]).write_to_file(tmp_path / 'in.png')
    path = done(upscaled(tmp_path / 'in.png', f'out{suffix}', compare=True))
    picture = pyvips.Image.new_from_file(f'{path}_bicubic_BSR.png')
    samples = np.atleast_3d(picture.numpy()).astype(float) / np.iinfo(picture.numpy().dtype).max
    assert samples.shape[:2] == (48, 128)
    assert np.abs(samples[:, :64] - samples[:, 64:]).max() < 0.02
    assert samples[10, 10, 0] == pytest.approx(0.4, abs=0.02)
    assert samples.shape[2] in (1, 3) or samples[10, 10, -1] == pytest.approx(alpha, abs=0.02)


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
