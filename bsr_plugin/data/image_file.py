"""Image files of any kind to the one form everything here works on: (H, W, 3) uint8, BGR."""

import os
import re
import stat
import zlib
from io import BytesIO
from pathlib import Path, PurePath
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile

from bsr_plugin.data.boxes import bits_of_jpeg2000, colours_of_jpeg2000
from bsr_plugin.errors import InputError

#: File name endings, lower case, of what is taken for an image when a folder is listed.
_SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp', '.gif', '.ppm', '.pgm', '.pnm', '.jp2')

#: 0 (fast) to 9 (small).
PNG_COMPRESSION = 1
#: Quarter turns counter-clockwise for the EXIF orientations 1 to 8, and those that are mirrored left and right before.
_TURNS = dict(enumerate((0, 0, 2, 2, 1, 3, 3, 1), 1))
_MIRRORED = (2, 4, 5, 7)
#: Bytes at the end of a PNG in which EXIF data is looked for: it has up to 64 KiB, and little comes after it.
_TAIL = 1 << 17
#: Pillow's modes of grey.
_GREY = ('1', 'L', 'I', 'I;16')
#: Numbers of the colour spaces of JPEG 2000 that are taken as they are, sRGB and grey, and the name of a common other.
_PLAIN, _COLOURS = (None, 16, 17), {18: 'sYCC'}


def is_image(path: PurePath) -> bool:
    """Whether a file is an image by its name, and not hidden."""
    return path.suffix.lower() in _SUFFIXES and not path.name.startswith('.')


def list_images(folder: Path) -> list[Path]:
    """The image files in a folder, sorted by name, without hidden ones; ``InputError`` if there is none."""
    if not folder.is_dir():
        raise InputError(f'{folder} is not a folder: give a folder of images.')
    paths = sorted(filter(is_image, folder.iterdir()))
    if not paths:
        raise InputError(f'{folder} holds no image: give a folder with PNG, JPEG, TIFF, BMP or WebP files.')
    return paths


def image_size(path: Path) -> tuple[int, int]:
    """Height and width from the file's header, with the errors of :func:`decode` that show there."""
    check_is_file(path)
    header = _read_header(path, str(path))
    size = header.height, header.width
    return size if header.orientation < 5 else size[::-1]


def read_image(path: Path) -> NDArray[np.uint8]:
    """Reads an image file; see :func:`decode`. Any file name works, non-ASCII ones included."""
    check_is_file(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f'{path} cannot be read ({error.strerror}).') from error
    return decode(data, str(path))


def decode(data: bytes | memoryview, name: str) -> NDArray[np.uint8]:
    """Decodes an image, called ``name`` in errors, to (H, W, 3) uint8, BGR.

    Grey images get three equal channels, palettes their colours, 16-bit samples are rounded to 8 bits, an alpha
    channel is dropped where it is opaque everywhere, and a photograph is turned as its EXIF orientation says.

    Raises:
        InputError: Not an image, a translucent one, colours without a single RGB reading (CMYK, L*a*b*), several
            images in one file (animations, TIFF pages), or samples that do not fill 8 or 16 bits.
    """
    header = _read_header(BytesIO(data), name, thoroughly=True)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        image = None
    if image is None:
        raise InputError(f'{name} is not a readable image: remove or replace it.')
    pixels = _to_bgr8(np.asarray(image), name)
    if header.orientation in _MIRRORED:
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(np.rot90(pixels, _TURNS[header.orientation]))


def check_is_file(path: Path) -> None:
    """Raises ``InputError`` unless a file is there: opening a FIFO waits, perhaps for ever."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        reason = getattr(error, 'strerror', error)
        raise InputError(f'{path} cannot be read ({reason}).') from error
    if not stat.S_ISREG(mode):
        kind = 'a folder' if stat.S_ISDIR(mode) else 'a FIFO, socket or device'
        raise InputError(f'{path} cannot be read ({kind}, not a file): remove or rename it.')


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """Encodes (H, W, 3) BGR or (H, W) uint8 as PNG, losslessly."""
    done, data = cv2.imencode('.png', image, [cv2.IMWRITE_PNG_COMPRESSION, PNG_COMPRESSION])
    if not done:
        raise ValueError(f'An image of shape {image.shape} cannot be encoded as PNG.')
    return data.tobytes()


class _Header(NamedTuple):
    """What a file says of its image before it is decoded: size as stored, EXIF orientation (1 to 8, 1 is upright)."""

    width: int
    height: int
    orientation: int


def _read_header(source: Path | BytesIO, name: str, thoroughly: bool = False) -> _Header:
    """Reads a header and refuses what cannot be one RGB image; ``thoroughly`` also compares the checksums of a PNG."""
    try:
        with Image.open(source) as image:
            (width, height), refusal = image.size, _refusal(image)
            orientation = _orientation(image.info.get('exif') or exif_after_pixels(image))
            if thoroughly and image.format == 'PNG':
                image.verify()  # libpng, inside OpenCV, writes what it finds on standard error
    except UnidentifiedImageError as error:
        raise InputError(f'{name} is not a readable image: remove or replace it.') from error
    except Exception as error:  # Pillow raises whatever a damaged file makes it trip over
        raise InputError(f'{name} cannot be read ({error}): remove or replace it.') from error
    if refusal:
        raise InputError(f'{name} {refusal}')
    return _Header(width, height, orientation)


def _refusal(image: Image.Image) -> str:
    """Why an image is refused by its header, as the predicate of a sentence; empty where it is not."""
    if image.mode in ('CMYK', 'LAB'):
        return f'is {image.mode}: convert it to RGB first.'
    # A photograph of format MPO has previews after it, and is the first image.
    if image.format != 'MPO' and getattr(image, 'n_frames', 1) > 1:
        return 'holds several images: save the one you want as a file of its own.'
    if isinstance(image, TiffImageFile):
        return _refusal_of_tiff(image)
    if isinstance(image, Jpeg2KImageFile):
        return _refusal_of_jpeg2000(image)
    if image.format == 'PNG' and 'transparency' in image.info and image.mode in _GREY:
        return 'is translucent: flatten its alpha channel first.'  # OpenCV leaves this transparency out
    if isinstance(image, PpmImageFile) and (largest := largest_sample(image)) not in (None, 255, 65535):
        return f'has samples up to {largest}: convert it to 8 or 16 bits first.'  # OpenCV does not scale them
    return ''


def _refusal_of_tiff(image: TiffImageFile) -> str:
    tags = image.tag_v2
    if tags.get(ExifTags.Base.Orientation, 1) != 1:
        # Decoders disagree on these: which tags they follow depends on the kind of samples.
        return 'is a TIFF to be turned when it is shown: save it upright.'
    bits = max(tags.get(ExifTags.Base.BitsPerSample, (1,)))
    if tags.get(ExifTags.Base.PhotometricInterpretation) == 0 and bits > 8:
        return f'is a TIFF of {bits} bits in which 0 is white: convert it to PNG first.'
    return ''


def _refusal_of_jpeg2000(image: Jpeg2KImageFile) -> str:
    """OpenCV scales no samples, and turns other colours into RGB in a way of its own."""
    assert image.fp is not None
    others = [bits for bits in bits_of_jpeg2000(image.fp) if bits not in (8, 16)]
    if others:
        return f'has samples of {others[0]} bits: convert it to 8 or 16 bits first.'
    colours = colours_of_jpeg2000(image.fp)
    return (
        '' if colours in _PLAIN else f'has the colour space {_COLOURS.get(colours, colours)}: convert it to RGB first.'
    )


def largest_sample(image: PpmImageFile) -> int | None:
    """The number that stands for white in a PGM or PPM; ``None`` for other images of Netpbm."""
    assert image.fp is not None
    image.fp.seek(0)
    header = re.sub(rb'#[^\r\n]*', b'', image.fp.read(image.tile[0][2])).split()
    return int(header[3]) if header[0] in (b'P2', b'P3', b'P5', b'P6') else None


def exif_after_pixels(image: Image.Image) -> bytes:
    """The EXIF data that a PNG may have after its pixels, where Pillow looks only once it has decoded them."""
    if not isinstance(image, PngImageFile):
        return b''
    assert image.fp is not None
    image.fp.seek(max(0, image.fp.seek(0, os.SEEK_END) - _TAIL))
    tail = image.fp.read()
    for found in re.finditer(b'eXIf', tail):
        start, data = found.span()
        end = data + int.from_bytes(tail[max(0, start - 4) : start], 'big')
        if tail[end : end + 4] == zlib.crc32(tail[start:end]).to_bytes(4, 'big'):
            return tail[data:end]
    return b''


def _orientation(exif: bytes) -> int:
    tags = Image.Exif()
    try:
        tags.load(exif)
    except Exception:  # as decoders do, the image is taken without what its damaged EXIF says
        return 1
    orientation = tags.get(ExifTags.Base.Orientation, 1)
    return orientation if orientation in _TURNS else 1


def _to_bgr8(image: NDArray, name: str) -> NDArray[np.uint8]:
    if image.dtype == np.uint16:
        image = ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
    elif image.dtype != np.uint8:
        raise InputError(f'{name} has samples of type {image.dtype}: convert it to 8 or 16 bits first.')
    if image.ndim == 2:
        return np.repeat(image[..., None], 3, axis=2)
    channels = image.shape[2]
    if channels in (2, 4) and (image[..., -1] != 255).any():
        raise InputError(f'{name} is translucent: flatten its alpha channel first.')
    if channels in (1, 2):
        return np.repeat(image[..., :1], 3, axis=2)
    return np.ascontiguousarray(image[..., :3])
