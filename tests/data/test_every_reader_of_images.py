"""An image of any kind is the same pixels, or refused with the same sentence, whoever reads it."""

from io import BytesIO
from struct import pack
from zlib import crc32

import cv2
import numpy as np
import pytest
from PIL import Image

from bsr_plugin.data.degradation import degrade
from bsr_plugin.data.guarded_paired_image_dataset import GuardedPairedImageDataset
from bsr_plugin.data.image_file import encode_png
from bsr_plugin.data.prepare import Preparation, prepare
from bsr_plugin.data.rfs_paired_image_dataset import RFSPairedImageDataset
from bsr_plugin.data.sr_benchmark_dataset import SRBenchmarkDataset
from bsr_plugin.data.store import LMDBStore
from bsr_plugin.errors import InputError
from bsr_plugin.report.bicubic import bicubic_baseline

SCALE = 2
ROWS, COLUMNS = np.mgrid[:24, :32]
RGB = np.stack([9 * ROWS, 7 * COLUMNS, 3 * ROWS + 4 * COLUMNS], axis=2).astype(np.uint8)
GREY = RGB[..., 2]
OPAQUE, GLASS = (np.full((24, 32), alpha, np.uint8) for alpha in (255, 200))
WORDS = RGB.astype(np.uint16) * 257 + np.random.default_rng(0).integers(-128, 128, RGB.shape).clip(0).astype(np.uint16)
PALETTE = Image.fromarray(RGB).quantize(40)
PALETTE_RGB = np.array(PALETTE.convert('RGB'))
TURNED = Image.Exif()
TURNED[0x0112] = 6  # shown after a quarter turn clockwise


def pillow(pixels, mode=None, **settings):
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    return lambda path: (image if mode is None else image.convert(mode)).save(path, **settings)


def opencv(pixels):
    return lambda path: cv2.imwrite(str(path), pixels)


def two_frames(**settings):
    return pillow(RGB, save_all=True, append_images=[Image.fromarray(255 - RGB)], **settings)


def ten_bits(path):
    path.write_bytes(b'P5 32 24 1023\n' + (GREY.astype('>u2') * 4).tobytes())


def jpeg2000(pixels, bits=None, mode=None):
    """A lossless JPEG 2000 file; with ``bits`` its header says that samples have as many."""

    def write(path):
        buffer = BytesIO()
        image = Image.fromarray(pixels)
        (image.convert(mode) if mode else image).save(buffer, 'JPEG2000', irreversible=False, no_jp2=bits is not None)
        whole = bytearray(buffer.getvalue())
        if bits is not None:
            whole[42] = bits - 1
        path.write_bytes(whole)

    return write


def exif_last(path):
    """A PNG with its EXIF chunk behind the pixels, and before that the name of such a chunk in a text."""
    whole, exif = encode_png(np.ascontiguousarray(RGB[..., ::-1])), TURNED.tobytes().removeprefix(b'Exif\0\0')
    chunks = ((b'tEXt', b'Comment\0eXIf eXIf'), (b'eXIf', exif))
    added = (pack('>I', len(data)) + kind + data + pack('>I', crc32(kind + data)) for kind, data in chunks)
    path.write_bytes(whole[:-12] + b''.join(added) + whole[-12:])


def three(grey):
    return np.repeat(grey[..., None], 3, axis=2)


BILEVEL = np.array(Image.fromarray(GREY).convert('1')) * np.uint8(255)
FLAT = np.full_like(RGB, 99)

CMYK = 'is CMYK: convert it to RGB first.'
FLOATS = 'has samples of type float32: convert it to 8 or 16 bits first.'
NO_IMAGE = 'is not a readable image: remove or replace it.'
TURNED_TIFF = 'is a TIFF to be turned when it is shown: save it upright.'
SEVERAL = 'holds several images: save the one you want as a file of its own.'
TRANSLUCENT = 'is translucent: flatten its alpha channel first.'
TWELVE = 'has samples of 12 bits: convert it to 8 or 16 bits first.'
#: Kind -> file name, how it is written, and its RGB pixels or what is said of it.
KINDS = {
    '8 bits': ('a.png', pillow(RGB), RGB),
    '16 bits': ('a.png', opencv(WORDS[..., ::-1]), np.rint(WORDS / 257).astype(np.uint8)),
    '16 bits, TIFF': ('a.tif', opencv(WORDS[..., ::-1]), np.rint(WORDS / 257).astype(np.uint8)),
    '16 bits, grey': ('a.png', opencv(WORDS[..., 2]), three(np.rint(WORDS[..., 2] / 257).astype(np.uint8))),
    'grey': ('a.png', pillow(GREY), three(GREY)),
    'grey, opaque': ('a.png', pillow(np.dstack([GREY, OPAQUE])), three(GREY)),
    'grey, translucent': ('a.png', pillow(np.dstack([GREY, GLASS])), TRANSLUCENT),
    'opaque': ('a.png', pillow(np.dstack([RGB, OPAQUE])), RGB),
    'translucent': ('a.png', pillow(np.dstack([RGB, GLASS])), TRANSLUCENT),
    'translucent WebP': ('a.webp', pillow(np.dstack([RGB, GLASS]), lossless=True), TRANSLUCENT),
    'grey with a hole': ('a.png', pillow(GREY, transparency=int(GREY[3, 3])), TRANSLUCENT),
    '10 bits': ('a.pgm', ten_bits, 'has samples up to 1023: convert it to 8 or 16 bits first.'),
    'JPEG 2000': ('a.jp2', jpeg2000(RGB), RGB),
    'JPEG 2000, 16 bits': ('a.jp2', jpeg2000(WORDS[..., 2]), three(np.rint(WORDS[..., 2] / 257).astype(np.uint8))),
    'JPEG 2000, 12 bits': ('a.jp2', jpeg2000(WORDS[..., 2] >> 4, 12), TWELVE),
    'JPEG 2000, sYCC': ('a.jp2', jpeg2000(RGB, mode='YCbCr'), 'has the colour space sYCC: convert it to RGB first.'),
    'palette': ('a.png', pillow(PALETTE), PALETTE_RGB),
    'palette with a hole': ('a.png', pillow(PALETTE, transparency=0), TRANSLUCENT),
    'GIF': ('a.gif', pillow(PALETTE), PALETTE_RGB),
    'black and white': ('a.png', pillow(GREY, '1'), three(BILEVEL)),
    'turned PNG': ('a.png', pillow(RGB, exif=TURNED), np.rot90(RGB, -1)),
    'turned PNG, said at the end': ('a.png', exif_last, np.rot90(RGB, -1)),
    'turned WebP': ('a.webp', pillow(RGB, exif=TURNED, lossless=True), np.rot90(RGB, -1)),
    'turned JPEG': ('a.jpg', pillow(FLAT, exif=TURNED, quality=100), np.rot90(FLAT)),
    'turned TIFF': ('a.tif', pillow(RGB, tiffinfo={0x0112: 6}), TURNED_TIFF),
    'CMYK JPEG': ('a.jpg', pillow(RGB, 'CMYK'), CMYK),
    'CMYK TIFF': ('a.tif', pillow(RGB, 'CMYK'), CMYK),
    'L*a*b*': ('a.tif', pillow(Image.fromarray(RGB).convert('LAB')), 'is LAB: convert it to RGB first.'),
    'floats': ('a.tif', pillow(GREY.astype(np.float32)), FLOATS),
    'animated WebP': ('a.webp', two_frames(lossless=True), SEVERAL),
    'animated PNG': ('a.png', two_frames(), SEVERAL),
    'animated GIF': ('a.gif', two_frames(), SEVERAL),
    'pages of a TIFF': ('a.tif', two_frames(), SEVERAL),
    'text': ('a.png', lambda path: path.write_text('no'), NO_IMAGE),
}  # fmt: skip


@pytest.fixture(params=KINDS)
def kind(request, tmp_path):
    """Folders HR and LR with an image of some kind and an ordinary one; ``(HR file, RGB pixels or sentence)``."""
    name, write, expected = KINDS[request.param]
    for side in ('HR', 'LR'):
        (tmp_path / side).mkdir()
    write(tmp_path / 'HR' / name)
    pixels = RGB if isinstance(expected, str) else expected
    small = degrade(np.ascontiguousarray(pixels[..., ::-1]), SCALE, 'bicubic')
    (tmp_path / 'LR' / name).write_bytes(encode_png(small))  # readers go by what is in a file
    (tmp_path / 'HR' / 'zz.png').write_bytes(encode_png(RGB))
    (tmp_path / 'LR' / 'zz.png').write_bytes(encode_png(degrade(RGB, SCALE, 'bicubic')))
    return tmp_path / 'HR' / name, expected


def prepared(file):
    """The image in the HR store of ``bsr prepare``."""
    made = prepare(Preparation(file.parent, file.parents[1] / 'out', SCALE, lr_window=4))
    if made.left_out:
        raise InputError(*made.left_out)
    store = LMDBStore(made.hr_path)
    return store.image(store.names.index('a'))[..., ::-1]


def given_by(dataset_class):
    """The GT of a data set in the test phase."""

    def read(file):
        opt = {'name': 'Set', 'phase': 'test', 'scale': SCALE, 'io_backend': {'type': 'disk'}}
        opt |= {'dataroot_gt': str(file.parent), 'dataroot_lq': str(file.parents[1] / 'LR')}
        dataset = dataset_class(opt)
        (position,) = [index for index in range(2) if dataset[index]['gt_path'] == str(file)]
        return np.rint(dataset[position]['gt'].numpy() * 255).astype(np.uint8).transpose(1, 2, 0)

    return read


READERS = {
    'prepare': prepared,
    'RFS': given_by(RFSPairedImageDataset),
    'benchmark': given_by(SRBenchmarkDataset),
    'guarded': given_by(GuardedPairedImageDataset),
}


@pytest.mark.parametrize('reader', READERS)
def test_pixels_or_the_sentence(kind, reader):
    file, expected = kind
    if isinstance(expected, str):
        with pytest.raises(InputError) as error:
            READERS[reader](file)
        assert str(error.value) == f'{file} {expected}'
    else:
        np.testing.assert_array_equal(READERS[reader](file), expected)


def test_the_bicubic_row(kind, tmp_path):
    file, expected = kind
    if isinstance(expected, str):
        with pytest.raises(InputError) as error:
            bicubic_baseline(file.parent, SCALE)
        assert str(error.value) == f'{file} {expected}'
    else:
        (tmp_path / 'plain').mkdir()
        (tmp_path / 'plain' / 'a.png').write_bytes(encode_png(np.ascontiguousarray(expected[..., ::-1])))
        (of_plain,) = bicubic_baseline(tmp_path / 'plain', SCALE).values()
        assert bicubic_baseline(file.parent, SCALE)['a'] == of_plain
