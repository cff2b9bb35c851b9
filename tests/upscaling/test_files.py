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
from PIL import ExifTags, Image, ImageCms
from pillow_heif import register_heif_opener

from bsr_plugin.upscaling.files import FileSettings, upscale_files
from bsr_plugin.upscaling.libvips import pyvips
from bsr_plugin.upscaling.plan import plan
from bsr_plugin.upscaling.reading import pixels_of
from tests.upscaling.conftest import Doubling, done, doubled, reason

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
#: Where OpenCV has the bands of an image.
BGR = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}


@pytest.mark.parametrize('name', ['a.png', 'a.bmp', 'a.jp2', 'a.heic'])
def test_sizes_are_told_by_the_header_alone(tmp_path, noise, name, monkeypatch):
    register_heif_opener()
    Image.fromarray(noise(64, 40, 3)).save(tmp_path / name)
    monkeypatch.setattr('PIL.ImageFile.ImageFile.load', None)
    assert pixels_of(tmp_path / name) == 64 * 40
    (tmp_path / name).write_bytes(b'no image')
    assert pixels_of(tmp_path / name) == pixels_of(tmp_path / 'nowhere.png') == 0
    os.mkfifo(tmp_path / 'pipe.png')
    assert pixels_of(tmp_path / 'pipe.png') == 0  # without waiting for what nobody writes


@pytest.mark.parametrize('packet', ['<r tiff:Orientation="6" a="6"/>', '<tiff:Orientation>6</tiff:Orientation>'])
def test_xmp_says_upright_of_what_was_turned(upscaled, tmp_path, noise, packet):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise(20, 30, 3)).save(tmp_path / 'in.jpg', exif=exif, xmp=packet.encode())
    with Image.open(done(upscaled(tmp_path / 'in.jpg', 'out.jpg'))) as image:
        assert image.size == (40, 60)
        assert image.info['xmp'].decode() == packet.replace('6', '1', 1)


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


@pytest.mark.parametrize(('largest', 'dtype'), [(100, np.uint8), (1023, np.uint16)])
def test_samples_of_netpbm_that_do_not_fill_their_bits_are_scaled(upscaled, tmp_path, largest, dtype):
    samples = np.array([0, largest // 4, largest // 2, largest], '>u2' if largest > 255 else np.uint8)
    (tmp_path / 'in.pgm').write_bytes(f'P5 4 1 {largest}\n'.encode() + samples.tobytes())
    pixels = cv2.imread(str(done(upscaled(tmp_path / 'in.pgm', 'out.png'))), cv2.IMREAD_UNCHANGED)
    assert pixels.dtype == dtype
    np.testing.assert_allclose(pixels / np.iinfo(dtype).max, doubled(samples[None] / largest), atol=1 / 255)


@pytest.mark.parametrize(
    'content',
    [b'P6 2 1 65535\n' + bytes(12), b'\x01\xda\x00\x02' + struct.pack('>4H', 3, 2, 1, 3) + bytes(500 + 12)],
    ids=['PPM', 'SGI'],
)
def test_sixteen_bits_that_would_become_eight_are_refused(upscaled, tmp_path, content):
    (tmp_path / 'in.ppm').write_bytes(content)
    assert 'has samples of 16 bits, which are not read from such a file' in reason(
        upscaled(tmp_path / 'in.ppm', 'out.png')
    )


def test_cmyk_of_layered_files_is_that_of_others(upscaled, tmp_path, noise):
    inks = noise(6, 8, 4)
    header = b'8BPS\x00\x01' + bytes(6) + struct.pack('>HIIHH', 4, 6, 8, 8, 4)
    planes = (255 - inks).transpose(2, 0, 1).tobytes()  # where 255 is no ink
    (tmp_path / 'in.psd').write_bytes(header + bytes(12) + b'\x00\x00' + planes)
    Image.fromarray(inks, 'CMYK').save(tmp_path / 'in.tif')
    results = [
        np.asarray(Image.open(done(upscaled(tmp_path / f'in.{kind}', f'{kind}.png')))) for kind in ('psd', 'tif')
    ]
    np.testing.assert_array_equal(*results)


def test_exif_behind_the_pixels_of_a_png_counts(upscaled, tmp_path, noise):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Artist] = 6, 'somebody'
    Image.fromarray(noise(20, 30, 3)).save(tmp_path / 'in.png', exif=exif)
    content = (tmp_path / 'in.png').read_bytes()
    start = content.index(b'eXIf') - 4
    end = start + 12 + int.from_bytes(content[start : start + 4], 'big')
    tail = content.rindex(b'IEND') - 4
    (tmp_path / 'late.png').write_bytes(content[:start] + content[end:tail] + content[start:end] + content[tail:])
    usual, late = (Image.open(done(upscaled(tmp_path / f'{name}.png', f'{name}_x2.png'))) for name in ('in', 'late'))
    assert late.size == usual.size == (40, 60)
    np.testing.assert_array_equal(late, usual)
    assert late.getexif()[ExifTags.Base.Artist] == 'somebody'


def grey_profile(gamma):
    """A colour profile of grey with a power for a curve."""
    tags = {
        b'desc': b'desc' + bytes(4) + struct.pack('>I', 5) + b'grey\0' + bytes(78),
        b'wtpt': b'XYZ ' + bytes(4) + struct.pack('>3i', 63190, 65536, 54061),
        b'kTRC': b'curv' + bytes(4) + struct.pack('>IH', 1, round(256 * gamma)) + bytes(2),
    }
    place, table, data = 128 + 4 + 12 * len(tags), b'', b''
    for name, content in tags.items():
        content += bytes(-len(content) % 4)
        table += name + struct.pack('>II', place + len(data), len(content))
        data += content
    size = place + len(data)
    header = struct.pack('>I4xI4s4s4s12x4s', size, 0x02100000, b'mntr', b'GRAY', b'XYZ ', b'acsp')
    header += bytes(68 - len(header)) + struct.pack('>3i', 63190, 65536, 54061)
    return header + bytes(128 - len(header)) + struct.pack('>I', len(tags)) + table + data


@pytest.mark.parametrize(('suffix', 'grey'), [('.png', 94), ('.webp', 149), ('.avif', 149)])
def test_grey_with_a_profile_looks_the_same_where_that_cannot_be_kept(upscaled, tmp_path, suffix, grey):
    Image.new('L', (32, 32), 94).save(tmp_path / 'in.png', icc_profile=grey_profile(1.2))
    with Image.open(done(upscaled(tmp_path / 'in.png', f'out{suffix}'))) as image:
        # 94/255 to the power of 1.2 is a linear 0.302, which sRGB has at 149.
        np.testing.assert_allclose(np.asarray(image), grey, atol=2)


def test_rows_of_any_length_go_through_the_pipe_in_parts(upscaled, tmp_path, noise, monkeypatch):
    pixels = noise(40, 30, 3)
    Image.fromarray(pixels).save(tmp_path / 'in.png')
    for name, size in (('row', 1), ('rows', 500)):
        monkeypatch.setattr('bsr_plugin.upscaling.writing._CHUNK', size)
        result = np.asarray(Image.open(done(upscaled(tmp_path / 'in.png', f'{name}.png'))))
        np.testing.assert_array_equal(result, doubled(pixels))


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


def test_an_output_that_cannot_be_written_stops_no_other(tmp_path, noise):
    for name in ('a', 'b', 'sub/c', 'd'):
        (tmp_path / 'in' / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(20, 20, 3)).save(tmp_path / f'in/{name}.png')
    (tmp_path / 'out/b.png').mkdir(parents=True)
    (tmp_path / 'out/sub').write_text('a file')
    outcome = upscale_files(plan([str(tmp_path / 'in')], tmp_path / 'out'), Doubling(), FileSettings())
    assert [path.name for path in outcome.done] == ['a.png', 'd.png']
    assert {path.name: reason.partition(' cannot')[0] for path, reason in outcome.failed.items()} == {
        'b.png': str(tmp_path / 'out/b.png'),
        'c.png': str(tmp_path / 'out/sub'),
    }


LIMITED = """
import resource, sys
from pathlib import Path
from bsr_plugin.upscaling.files import FileSettings, upscale_files
from bsr_plugin.upscaling.plan import Job
from tests.upscaling.conftest import SMALL_TILES, Doubling, done, doubled, reason
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
