import os
import socket
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageOps

from bsr_plugin.data.image_file import decode, encode_png, image_size, list_images, read_image
from bsr_plugin.errors import InputError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (5, 7), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)  # RGB
OPAQUE = np.full((5, 7, 1), 255, np.uint8)
WORDS = RNG.integers(0, 65536, (5, 7, 3), dtype=np.uint16)
#: A TIFF of four grey pixels whose PhotometricInterpretation, tag 262, is 0.
SIXTEEN_BITS_WHITE_IS_ZERO = b''.join([
    struct.pack('<4sI4HH', b'II*', 16, 0, 20000, 40000, 65535, 9),
    *(struct.pack('<HHII', tag, 3, 1, value) for tag, value in {
        256: 4, 257: 1, 258: 16, 259: 1, 262: 0, 273: 8, 277: 1, 278: 1, 279: 8
    }.items()),
    bytes(4),
])  # fmt: skip
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


@pytest.mark.parametrize('name', ['print.jpg', 'print.tif'])
def test_cmyk_is_refused_in_one_sentence(tmp_path, name):
    path = saved(tmp_path, COLOUR, 'CMYK', name)
    for reader in (image_size, read_image):
        with pytest.raises(InputError) as error:
            reader(path)
        assert str(error.value) == f'{path} is CMYK: convert it to RGB first.'


def test_lab_is_refused(tmp_path):
    Image.fromarray(COLOUR).convert('LAB').save(tmp_path / 'lab.tif')
    for reader in (image_size, read_image):
        with pytest.raises(InputError, match=r'lab\.tif is LAB: convert it to RGB first\.'):
            reader(tmp_path / 'lab.tif')


@pytest.mark.parametrize('name', ['a.png', 'a.webp', 'a.gif', 'a.tif'])
def test_files_with_several_images_are_refused(tmp_path, name):
    first, second = (Image.fromarray(pixels) for pixels in (COLOUR, 255 - COLOUR))
    first.save(tmp_path / name, save_all=True, append_images=[second])
    for reader in (image_size, read_image):
        with pytest.raises(InputError, match=rf'{name} holds several images: save the one you want as a file of its'):
            reader(tmp_path / name)


def test_a_photograph_with_previews_behind_it_is_the_first_image(tmp_path):
    smooth = np.repeat(np.arange(0, 240, 10, dtype=np.uint8)[None, :], 16, axis=0)
    preview = Image.fromarray(smooth[::2, ::2])
    Image.fromarray(smooth).save(tmp_path / 'a.jpg', 'MPO', save_all=True, append_images=[preview], quality=100)
    assert Image.open(tmp_path / 'a.jpg').n_frames == 2
    assert np.abs(read(tmp_path / 'a.jpg')[..., 0].astype(int) - smooth).max() <= 2


def test_gif(tmp_path):
    drawn = Image.fromarray(COLOUR).quantize(9)
    drawn.save(tmp_path / 'a.gif')
    np.testing.assert_array_equal(read(tmp_path / 'a.gif'), np.array(drawn.convert('RGB'))[..., ::-1])
    assert list_images(tmp_path) == [tmp_path / 'a.gif']


@pytest.mark.parametrize('orientation', range(10))
@pytest.mark.parametrize('name', ['a.jpg', 'a.png', 'a.webp'])
def test_photographs_are_turned_as_they_are_shown(tmp_path, name, orientation):
    rows, columns = np.mgrid[:16, :24]
    smooth = np.stack([10 * rows, 7 * columns, 3 * rows + 2 * columns], axis=2).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path, smooth, name=name, quality=100, exif=exif, **({'lossless': True} if 'webp' in name else {}))
    with Image.open(path) as image:
        shown = np.array(ImageOps.exif_transpose(image))[..., ::-1]
    assert shown.shape == ((24, 16, 3) if 5 <= orientation <= 8 else (16, 24, 3))
    tolerance = 4 if name == 'a.jpg' else 0
    assert np.abs(read(path).astype(int) - shown).max() <= tolerance


def test_damaged_exif_does_no_harm(tmp_path):
    path = saved(
        tmp_path, np.full((8, 8, 3), 77, np.uint8), name='a.jpg', quality=100, exif=b'Exif\0\0MM\0*\0\0\xff\xff'
    )
    assert (read(path) == 77).all()


def test_tiffs_to_be_turned_are_refused(tmp_path):
    upright = saved(tmp_path, COLOUR, name='up.tif', tiffinfo={0x0112: 1})
    np.testing.assert_array_equal(read(upright), COLOUR[..., ::-1])
    turned = saved(tmp_path, COLOUR, name='turned.tif', tiffinfo={0x0112: 6})
    for reader in (image_size, read_image):
        with pytest.raises(InputError, match=r'turned\.tif is a TIFF to be turned when it is shown: save it upright\.'):
            reader(turned)


@pytest.mark.parametrize(('dtype', 'said'), [(np.float32, 'float32'), (np.int32, 'int32')])
def test_other_samples_are_refused(tmp_path, dtype, said):
    path = saved(tmp_path, GREY.astype(dtype), name='depth.tif')
    with pytest.raises(InputError, match=rf'depth\.tif has samples of type {said}: convert it to 8 or 16 bits first\.'):
        read_image(path)


@pytest.mark.parametrize('magic', ['P2', 'P3', 'P5', 'P6'])
@pytest.mark.parametrize('largest', [1, 100, 254, 1023, 4095, 65534])
def test_samples_of_netpbm_that_do_not_fill_their_bits_are_refused(tmp_path, magic, largest):
    path = tmp_path / 'a.ppm'
    path.write_bytes(netpbm(magic, largest, f'{magic} # 4 1 255\n4 # {"x" * 9000}\r1\n{largest}\n'))
    for reader in (image_size, read_image):
        with pytest.raises(InputError) as error:
            reader(path)
        assert str(error.value) == f'{path} has samples up to {largest}: convert it to 8 or 16 bits first.'


@pytest.mark.parametrize('magic', ['P2', 'P3', 'P5', 'P6'])
@pytest.mark.parametrize('largest', [255, 65535])
def test_samples_of_netpbm_that_fill_their_bits(tmp_path, magic, largest):
    path = tmp_path / 'a.ppm'
    path.write_bytes(netpbm(magic, largest, f'{magic}\n# Created by GIMP 1023\n4 1\n{largest}\n'))
    assert read(path).tolist() == [[[0] * 3, [64] * 3, [128] * 3, [255] * 3]]


def netpbm(magic, largest, header):
    """Four pixels at 0, a quarter, a half and all of ``largest``."""
    samples = np.array([0, largest / 4, largest / 2, largest]).round().astype(int).repeat(3 if magic in 'P3P6' else 1)
    if magic in ('P2', 'P3'):
        return f'{header}{" ".join(map(str, samples))}\n'.encode()
    return header.encode() + samples.astype('>u2' if largest > 255 else 'u1').tobytes()


@pytest.mark.parametrize('header', [b'P1 4 1\n0 1 1 0\n', b'P4 4 1\n\x60'])
def test_black_and_white_of_netpbm(tmp_path, header):
    (tmp_path / 'a.pnm').write_bytes(header)
    assert read(tmp_path / 'a.pnm')[0, :, 0].tolist() == [255, 0, 0, 255]


def test_tiffs_in_which_0_is_white(tmp_path):
    eight = saved(tmp_path, GREY, name='eight.tif', tiffinfo={262: 0})
    with Image.open(eight) as image:
        assert image.tag_v2[262] == 0
    np.testing.assert_array_equal(read(eight), THREE_GREYS)
    path = tmp_path / 'sixteen.tif'
    path.write_bytes(SIXTEEN_BITS_WHITE_IS_ZERO)
    for reader in (image_size, read_image):
        with pytest.raises(InputError) as error:
            reader(path)
        assert str(error.value) == f'{path} is a TIFF of 16 bits in which 0 is white: convert it to PNG first.'


@pytest.mark.parametrize('mode', ['1', 'L', 'I;16'])
def test_grey_with_a_transparent_colour_is_refused(tmp_path, mode):
    grey = Image.fromarray(GREY.astype(np.uint16) * 257) if mode == 'I;16' else Image.fromarray(GREY).convert(mode)
    grey.save(tmp_path / 'hole.png', transparency=0)
    for reader in (image_size, read_image):
        with pytest.raises(InputError, match=r'hole\.png is translucent: flatten its alpha channel first\.'):
            reader(tmp_path / 'hole.png')


@pytest.mark.parametrize('suffix', ['.png', '.jpg', '.bmp', '.tif', '.webp', '.jp2'])
def test_truncated_files_get_a_sentence(tmp_path, suffix):
    whole = saved(tmp_path, RNG.integers(0, 256, (40, 50, 3), dtype=np.uint8), name=f'whole{suffix}').read_bytes()
    path = tmp_path / f'cut{suffix}'
    for tenths in range(10):
        path.write_bytes(whole[: len(whole) * tenths // 10])
        with pytest.raises(InputError, match=rf'cut\{suffix} (is not a readable image|cannot be read \().*'):
            read_image(path)


def test_damaged_png_gets_a_sentence(tmp_path):
    whole = bytearray(encode_png(RNG.integers(0, 256, (40, 50, 3), dtype=np.uint8)))
    whole[len(whole) // 2] ^= 0x20
    with pytest.raises(InputError, match=r'broken cannot be read \(.*checksum.*\): remove or replace it\.'):
        decode(bytes(whole), 'broken')


@pytest.mark.parametrize('content', [b'', b'These are no pixels.\n' * 20, b'\x89PNG\r\n\x1a\n'])
def test_files_that_are_no_images(tmp_path, content):
    path = tmp_path / 'note.png'
    path.write_bytes(content)
    for reader in (image_size, read_image):
        with pytest.raises(InputError, match=r'note\.png is not a readable image: remove or replace it\.'):
            reader(path)


def test_absurd_sizes_get_a_sentence(tmp_path):
    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))

    header = chunk(b'IHDR', struct.pack('>IIBBBBB', 60000, 60000, 8, 2, 0, 0, 0))
    (tmp_path / 'bomb.png').write_bytes(b'\x89PNG\r\n\x1a\n' + header + chunk(b'IDAT', b'') + chunk(b'IEND', b''))
    for reader in (image_size, read_image):
        with pytest.raises(InputError, match=r'bomb\.png'):
            reader(tmp_path / 'bomb.png')


def test_a_damaged_png_is_found_before_libpng_writes_of_it(tmp_path, capfd):
    whole = encode_png(RNG.integers(0, 256, (40, 50, 3), dtype=np.uint8))
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0x20
    for damaged in (whole[:31], whole[: len(whole) // 2], whole[:-20], bytes(flipped)):
        with pytest.raises(InputError):
            decode(damaged, 'broken')
    assert capfd.readouterr() == ('', '')


def test_what_is_not_a_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / 'fifo.png')
    (tmp_path / 'device.png').symlink_to('/dev/zero')
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / 'socket.png'))
        for name in ('fifo.png', 'device.png', 'socket.png'):
            for reader in (image_size, read_image):
                with pytest.raises(
                    InputError, match=rf'{name} cannot be read \(a FIFO, socket or device, not a file\)'
                ):
                    reader(tmp_path / name)


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


@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_png_round_trip(image):
    np.testing.assert_array_equal(decode(encode_png(image), 'image'), image)
    np.testing.assert_array_equal(decode(encode_png(image[..., 1]), 'g'), np.stack([image[..., 1]] * 3, 2))


def test_listing(tmp_path):
    for name in ('b.png', 'a.JPG', '.hidden.png', 'notes.txt', 'c.tiff', 'meta_info.txt', '.pic.idx'):
        (tmp_path / name).touch()
    assert [path.name for path in list_images(tmp_path)] == ['a.JPG', 'b.png', 'c.tiff']


def test_listing_errors(tmp_path):
    with pytest.raises(InputError, match='absent is not a folder: give a folder of images'):
        list_images(tmp_path / 'absent')
    with pytest.raises(InputError, match='holds no image: give a folder with PNG'):
        list_images(tmp_path)
    (tmp_path / 'file.png').touch()
    with pytest.raises(InputError, match=r'file\.png is not a folder'):
        list_images(Path(tmp_path / 'file.png'))
