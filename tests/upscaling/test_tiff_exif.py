"""EXIF in TIFF files; tifffile, which shares no code with Pillow, reads what is written."""

import numpy as np
import pytest
import tifffile
from PIL import Image, TiffImagePlugin

from bsr_plugin.upscaling.files import FileSettings, upscale_files
from bsr_plugin.upscaling.libvips import pyvips
from bsr_plugin.upscaling.plan import Job
from bsr_plugin.upscaling.strips import Tiling
from bsr_plugin.upscaling.tiff_exif import append_exif, read_exif
from tests.upscaling.conftest import Doubling

Rational = TiffImagePlugin.IFDRational


def photograph():
    """EXIF with text, numbers, fractions, bytes, and a place on Earth."""
    exif = Image.Exif()
    exif[0x010F] = 'a maker'
    exif[0x0110] = 'x'  # fits into an entry
    exif[0x8298] = 'somebody'
    exif[0x0112] = 6
    exif[0x8769] = {
        **{0x829A: Rational(1, 250), 0x8827: 400, 0x9003: '2026:01:02 03:04:05'},
        **{0x927C: b'\1\2\3\4\5\6', 0xA002: 99},
    }
    exif[0x8825] = {1: 'N', 2: (Rational(47), Rational(22), Rational(1234, 100))}
    return exif


def check(path, size):
    """The tags of ``photograph`` are in the file, with its size in pixels."""
    with tifffile.TiffFile(path) as file:
        tags = file.pages[0].tags
        kept, place = tags['ExifTag'].value, tags['GPSTag'].value
        assert [tags[name].value for name in ('Make', 'Model', 'Copyright')] == ['a maker', 'x', 'somebody']
        assert (kept['ExposureTime'], kept['ISOSpeedRatings']) == ((1, 250), 400)
        assert kept['DateTimeOriginal'] == '2026:01:02 03:04:05'
        assert kept['MakerNote'] == b'\1\2\3\4\5\6'
        assert (kept['PixelXDimension'], kept['PixelYDimension']) == size
        assert place['GPSLatitudeRef'] == 'N'
        assert place['GPSLatitude'] == (47, 1, 22, 1, 617, 50)
        assert [tag.code for tag in tags] == sorted(tag.code for tag in tags)
        return file.asarray()


@pytest.mark.parametrize('big', [False, True])
@pytest.mark.parametrize('order', '<>')
def test_tags_are_added_and_the_image_stays(tmp_path, big, order):
    pixels = np.random.default_rng(0).integers(0, 256, (31, 45, 3), dtype=np.uint8)
    path = tmp_path / 'image.tif'
    tifffile.imwrite(
        path, pixels, bigtiff=big, byteorder=order, photometric='rgb', compression='deflate', rowsperstrip=4
    )
    append_exif(path, photograph().tobytes(), 45, 31)
    np.testing.assert_array_equal(check(path, (45, 31)), pixels)
    np.testing.assert_array_equal(pyvips.Image.new_from_file(path).numpy(), pixels)

    if big and order == '>':
        assert read_exif(path) is None  # Pillow does not know these
        return
    back = Image.Exif()
    back.load(read_exif(path))
    assert (back[0x010F], back[0x0110], back.get(0x0112)) == ('a maker', 'x', None)
    assert back.get_ifd(0x8769)[0x8827] == 400
    assert back.get_ifd(0x8769)[0xA002] == 45
    assert back.get_ifd(0x8825)[2] == (47, 22, 12.34)


def test_tags_that_are_there_already_are_replaced(tmp_path):
    path = tmp_path / 'image.tif'
    tifffile.imwrite(path, np.zeros((4, 4), np.uint8), description='old', software='old')
    exif = Image.Exif()
    exif[0x010E], exif[0x0131] = 'new description', 'new'
    append_exif(path, exif.tobytes(), 4, 4)
    with tifffile.TiffFile(path) as file:
        tags = file.pages[0].tags
        assert (tags['ImageDescription'].value, tags['Software'].value) == ('new description', 'new')
        assert 'ExifTag' not in tags


@pytest.mark.parametrize('block', [b'', b'Exif\0\0', b'Exif\0\0II*\0\x08\0\0\0\xff\xff', b'no EXIF at all'])
def test_damaged_blocks_leave_a_readable_file(tmp_path, block):
    path = tmp_path / 'image.tif'
    pixels = np.arange(16, dtype=np.uint8).reshape(4, 4)
    tifffile.imwrite(path, pixels, metadata=None, software=False)
    append_exif(path, block, 4, 4)
    np.testing.assert_array_equal(tifffile.imread(path), pixels)
    assert read_exif(path) is None


@pytest.mark.parametrize('content', [b'', b'II*\0', b'II*\0\xff\xff\xff\xff', b'II+\0' + 12 * b'\1', b'no TIFF at all'])
def test_damaged_files_have_none(tmp_path, content):
    (tmp_path / 'image.tif').write_bytes(content)
    assert read_exif(tmp_path / 'image.tif') is None
    assert read_exif(tmp_path / 'none.tif') is None


def upscaled(source, target):
    outcome = upscale_files([Job(source, target)], Doubling(), FileSettings(tiling=Tiling(16, 4)))
    assert outcome.done == [target]
    return target


@pytest.mark.parametrize(('given', 'made'), [('.jpg', '.tif'), ('.tif', '.tif'), ('.png', '.tiff'), ('.webp', '.tif')])
def test_upscaled_tiffs_keep_it(tmp_path, given, made):
    source = tmp_path / f'in{given}'
    Image.fromarray(np.full((24, 36, 3), 99, np.uint8)).save(source, exif=photograph().tobytes())
    check(upscaled(source, tmp_path / f'out{made}'), (48, 72))  # turned upright


@pytest.mark.parametrize('made', ['.jpg', '.png', '.webp'])
def test_what_is_made_of_a_tiff_keeps_it(tmp_path, made):
    Image.fromarray(np.full((24, 36, 3), 99, np.uint8)).save(tmp_path / 'in.tif', exif=photograph().tobytes())
    with Image.open(upscaled(tmp_path / 'in.tif', tmp_path / f'out{made}')) as image:
        kept = image.getexif()
        assert kept[0x010F].rstrip('\0') == 'a maker'
        assert kept.get(0x0112, 1) == 1
        assert kept.get_ifd(0x8769)[0x829A] == 0.004
        assert kept.get_ifd(0x8769)[0x9003] == '2026:01:02 03:04:05'
        assert kept.get_ifd(0x8825)[2] == pytest.approx((47, 22, 12.34))


@pytest.mark.parametrize('made', ['.tif', '.png', '.jpg', '.webp', '.avif'])
def test_text_that_is_too_long_for_a_jpeg(tmp_path, made):
    """Microscopes describe images in this way; where there is no room, the image is made without it."""
    text = '<OME>' + 'x' * 100_000
    pixels = np.full((24, 36, 3), 99, np.uint8)
    tifffile.imwrite(tmp_path / 'in.ome.tif', pixels, photometric='rgb', metadata=None, description=text)
    path = upscaled(tmp_path / 'in.ome.tif', tmp_path / f'out{made}')
    assert (text.encode() in path.read_bytes()) == (made == '.tif')
    image = pyvips.Image.new_from_file(path)
    assert (image.width, image.height) == (72, 48)
    assert np.abs(image.numpy()[..., :3].astype(int) - 99).max() <= 2


@pytest.mark.parametrize('given', ['.jpg', '.tif'])
@pytest.mark.parametrize('made', ['.jpg', '.png', '.webp', '.tif'])
def test_text_that_is_not_ascii_is_kept(tmp_path, given, made):
    artist, owner = 'José 漢字'.encode(), '© Ørsted'.encode()
    exif = Image.Exif()
    exif[0x013B] = len(artist) * 'A'
    exif.get_ifd(0x8769)[0xA430] = len(owner) * 'O'
    source = tmp_path / f'in{given}'
    Image.fromarray(np.full((24, 36, 3), 99, np.uint8)).save(source, exif=exif.tobytes())
    content = source.read_bytes()
    assert (content.count(len(artist) * b'A'), content.count(len(owner) * b'O')) == (1, 1)
    source.write_bytes(content.replace(len(artist) * b'A', artist).replace(len(owner) * b'O', owner))
    result = upscaled(source, tmp_path / f'out{made}').read_bytes()
    assert (result.count(artist), result.count(owner)) == (1, 1)
