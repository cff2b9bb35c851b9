import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from bsr_plugin.data.image_file import decode, encode_png, image_size, list_images, read_image
from bsr_plugin.errors import InputError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (5, 7), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)  # RGB
OPAQUE = np.full((5, 7, 1), 255, np.uint8)
WORDS = RNG.integers(0, 65536, (5, 7, 3), dtype=np.uint16)
THREE_GREYS = np.repeat(GREY[..., None], 3, axis=2)


def saved(tmp_path, pixels, mode=None, name='image.png', **settings):
    path = tmp_path / name
    image = Image.fromarray(pixels) if mode is None else Image.fromarray(pixels).convert(mode)
    image.save(path, **settings)
    return path


def read(path):
    """Reads an image and checks what its header says on the way."""
    pixels = read_image(path)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert image_size(path) == pixels.shape[:2]
    return pixels


def test_colour_is_bgr(tmp_path):
    np.testing.assert_array_equal(read(saved(tmp_path, COLOUR)), COLOUR[..., ::-1])


@pytest.mark.parametrize('name', ['a.png', 'a.bmp', 'a.tif', 'a.tiff', 'a.webp', 'a.ppm', 'a.jp2', 'A.PNG', 'a.TIF'])
def test_lossless_formats(tmp_path, name):
    settings = {'lossless': True} if name == 'a.webp' else {'irreversible': False} if name == 'a.jp2' else {}
    np.testing.assert_array_equal(read(saved(tmp_path, COLOUR, name=name, **settings)), COLOUR[..., ::-1])
    assert [path.name for path in list_images(tmp_path)] == [name]


def test_grey(tmp_path):
    np.testing.assert_array_equal(read(saved(tmp_path, GREY)), THREE_GREYS)
    np.testing.assert_array_equal(read(saved(tmp_path, GREY, name='grey.pgm')), THREE_GREYS)


def test_black_and_white(tmp_path):
    bilevel = saved(tmp_path, (GREY > 127).astype(np.uint8) * 255, '1')
    np.testing.assert_array_equal(read(bilevel), np.where(THREE_GREYS > 127, 255, 0))


def test_grey_with_alpha(tmp_path):
    opaque = np.concatenate([GREY[..., None], OPAQUE], axis=2)
    np.testing.assert_array_equal(read(saved(tmp_path, opaque)), THREE_GREYS)
    opaque[2, 3, 1] = 254
    with pytest.raises(InputError, match=r'image\.png is translucent: flatten its alpha channel first\.'):
        read_image(saved(tmp_path, opaque))


def test_colour_with_alpha(tmp_path):
    opaque = np.concatenate([COLOUR, OPAQUE], axis=2)
    np.testing.assert_array_equal(read(saved(tmp_path, opaque)), COLOUR[..., ::-1])
    opaque[4, 6, 3] = 0
    with pytest.raises(InputError, match=r'image\.png is translucent: flatten its alpha channel first\.'):
        read_image(saved(tmp_path, opaque))


def test_16_bits_are_rounded(tmp_path):
    for pixels in (WORDS, WORDS[..., 0], np.array([[0, 128, 129, 385, 386, 65406, 65407, 65535]], np.uint16)):
        path = tmp_path / 'words.png'
        path.write_bytes(cv2.imencode('.png', pixels)[1].tobytes())
        nearest = np.rint(pixels / 257).astype(np.uint8)
        np.testing.assert_array_equal(read(path), nearest if nearest.ndim == 3 else np.stack([nearest] * 3, axis=2))


def test_palette(tmp_path):
    drawn = Image.fromarray(COLOUR).quantize(9)
    drawn.save(tmp_path / 'palette.png')
    np.testing.assert_array_equal(read(tmp_path / 'palette.png'), np.array(drawn.convert('RGB'))[..., ::-1])
    drawn.save(tmp_path / 'see-through.png', transparency=3)
    with pytest.raises(InputError, match=r'see-through\.png is translucent'):
        read_image(tmp_path / 'see-through.png')


def test_cmyk_is_refused_by_its_header(tmp_path):
    path = saved(tmp_path, COLOUR, 'CMYK', 'print.jpg')
    with pytest.raises(InputError, match=r'print\.jpg is CMYK: convert it to RGB first\.'):
        image_size(path)


def test_jpeg_with_an_orientation_is_read_as_it_is_stored(tmp_path):
    smooth = np.repeat(np.arange(0, 240, 10, dtype=np.uint8)[None, :], 16, axis=0)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to show it
    stored = read(saved(tmp_path, smooth, name='turned.jpg', quality=100, exif=exif))
    assert stored.shape == (16, 24, 3)
    assert np.abs(stored[..., 0].astype(int) - smooth).max() <= 2


@pytest.mark.parametrize(('dtype', 'said'), [(np.float32, 'float32'), (np.int32, 'int32')])
def test_other_samples_are_refused(tmp_path, dtype, said):
    path = saved(tmp_path, GREY.astype(dtype), name='depth.tif')
    with pytest.raises(InputError, match=rf'depth\.tif has samples of type {said}: convert it to 8 or 16 bits first\.'):
        read_image(path)


@pytest.mark.parametrize('suffix', ['.png', '.jpg', '.bmp', '.tif', '.webp', '.jp2'])
def test_truncated_files_get_a_sentence(tmp_path, suffix):
    whole = saved(tmp_path, RNG.integers(0, 256, (40, 50, 3), dtype=np.uint8), name=f'whole{suffix}').read_bytes()
    path = tmp_path / f'cut{suffix}'
    for tenths in range(10):
        path.write_bytes(whole[: len(whole) * tenths // 10])
        with pytest.raises(InputError, match=rf'cut\{suffix} (is no image that can be read|cannot be read \().*'):
            read_image(path)


def test_damaged_png_gets_a_sentence(tmp_path):
    whole = bytearray(encode_png(RNG.integers(0, 256, (40, 50, 3), dtype=np.uint8)))
    whole[len(whole) // 2] ^= 0x20
    with pytest.raises(InputError, match='broken is no image that can be read: remove it or put it right'):
        decode(bytes(whole), 'broken')


@pytest.mark.parametrize('content', [b'', b'These are no pixels.\n' * 20, b'\x89PNG\r\n\x1a\n'])
def test_files_that_are_no_images(tmp_path, content):
    path = tmp_path / 'note.png'
    path.write_bytes(content)
    for reader in (image_size, read_image):
        with pytest.raises(InputError, match=r'note\.png is no image that can be read: remove it or put it right\.'):
            reader(path)


def test_absurd_sizes_get_a_sentence(tmp_path):
    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))

    header = chunk(b'IHDR', struct.pack('>IIBBBBB', 60000, 60000, 8, 2, 0, 0, 0))
    (tmp_path / 'bomb.png').write_bytes(b'\x89PNG\r\n\x1a\n' + header + chunk(b'IDAT', b'') + chunk(b'IEND', b''))
    for reader in (image_size, read_image):
        with pytest.raises(InputError, match=r'bomb\.png'):
            reader(tmp_path / 'bomb.png')


def test_missing_files_and_folders_named_like_images(tmp_path):
    (tmp_path / 'folder.png').mkdir()
    for name in ('absent.png', 'folder.png'):
        for reader in (image_size, read_image):
            with pytest.raises(InputError, match=rf'{name} cannot be read'):
                reader(tmp_path / name)


@pytest.mark.parametrize('name', ['Bücher 1.png', '写真.png', 'a.b.c.png', 'I❤.png', "it's 100%.png", '-x.png'])
def test_any_name(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(encode_png(COLOUR[..., ::-1]))
    np.testing.assert_array_equal(read(path), COLOUR[..., ::-1])
    assert list_images(tmp_path) == [path]


@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))), st.integers(0, 9))
def test_png_round_trip(image, compression):
    np.testing.assert_array_equal(decode(encode_png(image, compression), 'image'), image)
    np.testing.assert_array_equal(decode(encode_png(image[..., 1], compression), 'g'), np.stack([image[..., 1]] * 3, 2))


def test_listing(tmp_path):
    for name in ('b.png', 'a.JPG', '.hidden.png', 'notes.txt', 'c.tiff', 'meta_info.txt', '.pic.idx'):
        (tmp_path / name).touch()
    assert [path.name for path in list_images(tmp_path)] == ['a.JPG', 'b.png', 'c.tiff']


def test_listing_errors(tmp_path):
    with pytest.raises(InputError, match='absent is no folder: give a folder of images'):
        list_images(tmp_path / 'absent')
    with pytest.raises(InputError, match='holds no image: give a folder with PNG'):
        list_images(tmp_path)
    (tmp_path / 'file.png').touch()
    with pytest.raises(InputError, match=r'file\.png is no folder'):
        list_images(Path(tmp_path / 'file.png'))
