"""Image files of any kind as rows of RGB or grey pixels, upright, with what else the file says."""

import os
import struct
import threading
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL.PpmImagePlugin import PpmImageFile

from bsr_plugin.data.image_file import check_is_file, exif_after_pixels, largest_sample
from bsr_plugin.errors import InputError
from bsr_plugin.upscaling.boxes import bits_of_jpeg2000, is_sequence
from bsr_plugin.upscaling.libvips import first_line, pyvips
from bsr_plugin.upscaling.pixels import BANDS
from bsr_plugin.upscaling.settings import MAX_PIXELS
from bsr_plugin.upscaling.tiff_exif import read_exif

#: libvips's names of grey and of RGB.
_PLAIN = ('b-w', 'grey16', 'srgb', 'rgb', 'rgb16')
#: Pillow's formats that have further images as parts of the first: views of a photograph, and layers.
_ONE_IMAGE = ('MPO', 'PSD')
#: Pillow's formats that are read, as far as they are there: those that it decodes itself. EPS would start Ghostscript.
_FORMATS = (
    *('AVIF', 'BMP', 'DCX', 'DDS', 'DIB', 'GIF', 'HEIF', 'ICNS', 'ICO', 'JPEG', 'JPEG2000', 'PCX', 'PNG', 'PPM'),
    *('PSD', 'QOI', 'SGI', 'TGA', 'TIFF', 'WEBP'),
)
_PILLOW_LIMIT = threading.Lock()
_DTYPES: dict[str, np.dtype] = {'uchar': np.dtype(np.uint8), 'ushort': np.dtype(np.uint16)}


class TooManyPixelsError(InputError):
    """An image is larger than is allowed.

    Attributes:
        height: Its rows, which may be columns by its EXIF orientation.
        width: Its columns.
    """

    def __init__(self, path: Path, height: int, width: int, allowed: int) -> None:
        super().__init__(
            f'{path} has {width} x {height} pixels, more than the {allowed:,} that are allowed: raise --max-pixels if '
            'that is no mistake.'
        )
        self.height, self.width = height, width


class ImageFile:
    """An open image file whose rows are read from top to bottom.

    Palettes and CMYK have become RGB, and an EXIF orientation has been carried out.

    Attributes:
        path: Where it is.
        height: Rows.
        width: Columns.
        bands: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
        dtype: uint8 or uint16.
        image: libvips's image, with colour profile, EXIF, XMP and density.
    """

    def __init__(self, path: Path, max_pixels: int = MAX_PIXELS) -> None:
        """Reads the header.

        Raises:
            TooManyPixelsError: It holds more than ``max_pixels`` pixels; none of them has been decoded.
            InputError: The file is not an image that can be read, or holds several, or samples that are neither 8 nor
                16 bits.
        """
        check_is_file(path)
        self.path = path
        image = _opened(path, max_pixels)
        self.image = _with_exif_of_tiff(path, _in_plain_colours(path, _upright(path, image, max_pixels)))
        self.height, self.width, self.bands = self.image.height, self.image.width, self.image.bands
        self.dtype = _DTYPES[self.image.format]
        # Parts of a sequential image that are computed one by one: each would end the reading of the file.
        self._region = pyvips.Region.new(self.image)

    def rows(self, start: int, stop: int) -> NDArray:
        """Pixels of the rows from ``start`` to before ``stop``, (h, W, bands); no row can be read twice.

        Raises:
            InputError: The file ends too early, or is damaged.
        """
        try:
            data = self._region.fetch(0, start, self.width, stop - start)
        except pyvips.Error as error:
            raise _unreadable(self.path, error) from None
        return np.frombuffer(data, self.dtype).reshape(stop - start, self.width, self.bands)


def pixels_of(path: Path) -> int:
    """Pixels of an image by its header alone, whatever its format; 0 where that cannot be read."""
    with suppress(Exception):  # libvips and Pillow raise whatever a damaged file makes them trip over
        check_is_file(path)
        try:
            image = pyvips.Image.new_from_source(pyvips.Source.new_from_file(os.fsencode(path)), '')
            return int(image.width * image.height)
        except pyvips.Error:
            with _opened_by_pillow(path) as opened:
                return opened.width * opened.height
    return 0


def _unreadable(path: Path, error: pyvips.Error) -> InputError:
    return InputError(f'{path} cannot be read ({first_line(error)}): remove or replace it.')


def _opened(path: Path, max_pixels: int, access: str = 'sequential') -> pyvips.Image:
    """Libvips's image; of what libvips does not read, such as BMP, Pillow's."""
    try:
        source = pyvips.Source.new_from_file(os.fsencode(path))
        image = pyvips.Image.new_from_source(source, '', access=access, fail_on='error')
        _check_size(path, image.width, image.height, max_pixels)
        _check_alone(path, image)
        if not _is_heic(image):
            return _with_exif_after_pixels(path, image)
        raise pyvips.Error('the package pillow-heif, which decodes HEIC, is not installed')
    except pyvips.Error as error:
        try:
            png = _through_pillow(path, max_pixels)
            return pyvips.Image.new_from_buffer(png, '', access=access, fail_on='error')
        except InputError:
            raise
        except Exception:  # Pillow raises whatever a damaged file makes it trip over
            raise _unreadable(path, error) from None


def _check_size(path: Path, width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise TooManyPixelsError(path, height, width, max_pixels)


def _is_heic(image: pyvips.Image) -> bool:
    """Whether it is HEVC, of which libvips's wheels read the header and not the pixels."""
    return bool(image.get_typeof('heif-compression')) and image.get('heif-compression') == 'hevc'


def _through_pillow(path: Path, max_pixels: int) -> bytes:
    """What Pillow reads, as a PNG, or TIFF if it is CMYK.

    For BMP, JPEG 2000 and others, and HEIC where pillow-heif is installed.
    """
    buffer = BytesIO()
    with _opened_by_pillow(path) as image:
        _check_size(path, *image.size, max_pixels)
        if getattr(image, 'n_frames', 1) > 1 and image.format not in _ONE_IMAGE:
            raise _several(path)
        if image.format == 'JPEG2000' and image.mode != 'I;16' and (bits := bits_of_jpeg2000(path)) > 8:
            raise InputError(
                f'{path} has samples of {bits} bits, which are read from JPEG 2000 files in grey only: convert it to '
                'PNG or TIFF first.'
            )
        if _has_16_bits(path, image):
            raise InputError(
                f'{path} has samples of 16 bits, which are not read from such a file: convert it to PNG or TIFF first.'
            )
        carried = {name: image.info[name] for name in ('icc_profile', 'exif', 'dpi') if image.info.get(name)}
        if image.mode == 'CMYK':  # to become RGB by its profile, as that of other formats
            image.save(buffer, 'TIFF', **carried)
        else:
            image.convert('RGB' if image.mode == 'YCbCr' else image.mode).save(
                buffer, 'PNG', compress_level=0, **carried
            )
    return buffer.getvalue()


def _has_16_bits(path: Path, image: PillowImage.Image) -> bool:
    """Whether Pillow makes 8 bits of the samples of a PPM or SGI file."""
    if isinstance(image, PpmImageFile):
        return image.mode == 'RGB' and (largest_sample(image) or 0) > 255
    if image.format != 'SGI':
        return False
    with path.open('rb') as file:
        return file.read(4)[3] == 2


def _opened_by_pillow(path: Path) -> PillowImage.Image:
    """An image of any size: Pillow has one limit for all that the process opens, and here each has its own."""
    PillowImage.init()
    with suppress(ImportError):
        from pillow_heif import register_heif_opener

        register_heif_opener()
    with _PILLOW_LIMIT:
        limit, PillowImage.MAX_IMAGE_PIXELS = PillowImage.MAX_IMAGE_PIXELS, None
        try:
            return PillowImage.open(path, formats=[name for name in _FORMATS if name in PillowImage.OPEN])
        finally:
            PillowImage.MAX_IMAGE_PIXELS = limit


def _several(path: Path) -> InputError:
    return InputError(f'{path} holds several images: save the one you want as a file of its own.')


def _check_alone(path: Path, image: pyvips.Image) -> None:
    """Refuses animations and pages."""
    pages = image.get('n-pages') if image.get_typeof('n-pages') else 1
    if pages > 1 or _is_animated_png(path) or is_sequence(path):
        raise _several(path)


def _is_animated_png(path: Path) -> bool:
    """Whether a PNG has a chunk ``acTL``, which stands before the pixels; libvips takes its first frame for all."""
    with path.open('rb') as file:
        if file.read(8) != b'\x89PNG\r\n\x1a\n':
            return False
        while len(header := file.read(8)) == 8:
            length, kind = struct.unpack('>I4s', header)
            if kind in (b'acTL', b'IDAT'):
                return bool(kind == b'acTL')
            file.seek(length + 4, os.SEEK_CUR)
    return False


def _upright(path: Path, image: pyvips.Image, max_pixels: int) -> pyvips.Image:
    """Turned as EXIF says. Then rows are read in another order than they have in the file."""
    orientation = image.get('orientation') if image.get_typeof('orientation') else 1
    return image if orientation == 1 else _opened(path, max_pixels, access='random').autorot()


def _with_exif_of_tiff(path: Path, image: pyvips.Image) -> pyvips.Image:
    """With EXIF as images of other formats have it."""
    if not image.get('vips-loader').startswith('tiffload') or (block := read_exif(path)) is None:
        return image
    return _with_block(image, block, ('exif-',))


def _with_exif_after_pixels(path: Path, image: pyvips.Image) -> pyvips.Image:
    """With the EXIF that a PNG has after its pixels, where libvips does not look for it."""
    if not image.get('vips-loader').startswith('pngload') or image.get_typeof('exif-data'):
        return image
    with _opened_by_pillow(path) as opened:
        block = exif_after_pixels(opened)
    return _with_block(image, block, ('exif-', 'orientation')) if block else image


def _with_block(image: pyvips.Image, block: bytes, names: tuple[str, ...]) -> pyvips.Image:
    """With those fields of a block of EXIF whose names begin so: libvips parses it where it reads it."""
    carrier = BytesIO()
    PillowImage.new('L', (1, 1)).save(carrier, 'PNG', exif=block)  # whose blocks may be larger than JPEG's 64 KB
    parsed = pyvips.Image.pngload_buffer(carrier.getvalue())
    image = image.copy()
    for name in parsed.get_fields():
        if name.startswith(names):
            image.set_type(parsed.get_typeof(name), name, parsed.get(name))
    return image


def _in_plain_colours(path: Path, image: pyvips.Image) -> pyvips.Image:
    """8 or 16 bits of grey or RGB, without or with alpha."""
    if image.interpretation == 'cmyk':
        depth = 16 if image.format == 'ushort' else 8
        image = image.icc_transform('srgb', embedded=True, input_profile='cmyk', depth=depth)
    elif image.interpretation in ('lab', 'labs', 'labq', 'lch', 'xyz', 'scrgb'):
        image = image.colourspace('srgb')
    if image.format not in _DTYPES:
        raise InputError(f'{path} has samples of type {image.format}: convert it to 8 or 16 bits first.')
    if image.interpretation not in _PLAIN or image.bands not in BANDS:
        raise InputError(f'{path} has {image.bands} bands of kind {image.interpretation}: convert it to RGB first.')
    return image
