"""Image files written row by row, whole or not at all, with the colour profile, EXIF and density of another."""

import errno
import os
import re
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from bsr_plugin.atomic import replacing
from bsr_plugin.errors import InputError
from bsr_plugin.upscaling.libvips import first_line, pyvips
from bsr_plugin.upscaling.pixels import has_alpha
from bsr_plugin.upscaling.settings import QUALITY, SUFFIXES
from bsr_plugin.upscaling.tiff_exif import append_exif

#: Ending of a name, one of SUFFIXES, -> libvips's operation.
_SAVERS = {
    '.png': 'pngsave',
    '.jpg': 'jpegsave',
    '.jpeg': 'jpegsave',
    '.webp': 'webpsave',
    '.tif': 'tiffsave',
    '.tiff': 'tiffsave',
    '.avif': 'heifsave',
}

#: Longest side that a format can have.
_LONGEST = {'jpegsave': 65_535, 'webpsave': 16_383, 'heifsave': 65_535}
_RGB_ALONE = ('webpsave', 'heifsave')
_EIGHT_BITS = ('jpegsave', 'webpsave')
#: What is taken over from the file that was upscaled; the thumbnail of a photograph is not.
_CARRIED = ('exif-', 'xmp-data', 'iptc-data', 'icc-profile-data', 'png-comment-', 'resolution-unit')
#: What XMP says of the orientation, which has been carried out, as an attribute or as an element.
_ORIENTATION = re.compile(rb'(\btiff:Orientation\s*(?:=\s*["\']|>)\s*)[2-8]')
#: Pixels per millimetre: what libvips has where a file does not tell, and 72 pixels per inch.
_UNKNOWN_DENSITY, _USUAL_DENSITY = 1.0, 72 / 25.4
#: Bytes of a PNG's chunk, which may have 2^31 - 1.
_CHUNK = 1 << 26
_PNG_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}


def sample_type(path: Path, dtype: DTypeLike) -> np.dtype:
    """What samples a file can hold of those that are given: JPEG and WebP have 8 bits."""
    return np.dtype(np.uint8) if _SAVERS[path.suffix.lower()] in _EIGHT_BITS else np.dtype(dtype)


def check_format(path: Path, height: int, width: int, bands: int) -> None:
    """Raises ``InputError`` if the format that a file is named after cannot hold such an image."""
    saver = _SAVERS.get(path.suffix.lower())
    if saver is None:
        raise InputError(f'{path} would have an unknown format: use one of {" ".join(SUFFIXES)}.')
    if saver == 'jpegsave' and has_alpha(bands):
        raise InputError(f'{path} cannot be written: JPEG has no alpha, use PNG, WebP, TIFF or AVIF.')
    longest = _LONGEST.get(saver)
    if longest is not None and max(height, width) > longest:
        raise InputError(
            f'{path} cannot be written: it would be {width} x {height}, and sides end at {longest:,} there. Use TIFF '
            'or PNG.'
        )


class StripWriter:
    """Takes the rows of an image from top to bottom, while they are encoded in a thread."""

    def __init__(self, stream: '_PNGStream', encoder: '_Encoder') -> None:
        self._stream, self._encoder = stream, encoder

    def write(self, pixels: NDArray) -> None:
        """Writes the next rows, (h, W, bands); raises what the encoder failed with, as :func:`writing` does."""
        self._encoder.check()
        self._stream.write(pixels)


@contextmanager
def writing(
    path: Path,
    shape: tuple[int, int, int],
    dtype: np.dtype,
    like: pyvips.Image | None = None,
    quality: int = QUALITY,
) -> Iterator[StripWriter]:
    """Gives a writer for the rows of an image file, which is there when the block ends well.

    Args:
        path: The file; its ending names the format.
        shape: Height, width and bands, with :func:`check_format` passed.
        dtype: ``sample_type`` for the file.
        like: Image whose colour profile, EXIF, XMP, text and density are carried over.
        quality: Of the lossy formats.

    Raises:
        InputError: libvips cannot encode the image.
        OSError: The file cannot be written, for instance because the disk is full.
    """
    with replacing(path) as temporary:
        reading, sending = os.pipe()
        encoder = _Encoder(reading, path, temporary, like, quality)
        encoder.start()
        try:
            with os.fdopen(sending, 'wb') as pipe:
                stream = _PNGStream(pipe, shape, dtype)
                yield StripWriter(stream, encoder)
                stream.end()
        finally:
            encoder.join()
        encoder.check()


class _Encoder(threading.Thread):
    """Encodes what comes through a pipe, in a thread, because libvips asks for rows and is not given them."""

    def __init__(self, pipe: int, path: Path, temporary: Path, like: pyvips.Image | None, quality: int) -> None:
        super().__init__(name=f'encoding {path.name}')
        self._pipe, self._path, self._temporary = pipe, path, temporary
        self._like, self._quality = like, quality
        self._failure: Exception | None = None

    def run(self) -> None:
        """Encodes, and reads the pipe to its end whatever happens."""
        try:
            self._encode()
        except Exception as error:
            self._failure = error  # for the thread that writes
        finally:
            # Whoever writes would otherwise wait for a reader that is gone.
            while os.read(self._pipe, 1 << 20):
                pass
            os.close(self._pipe)

    def _encode(self) -> None:
        source = pyvips.Source.new_from_descriptor(self._pipe)
        image = pyvips.Image.pngload_source(source, access='sequential', fail_on='error', unlimited=True)
        if self._like is not None:
            image = _with_metadata_of(self._like, image)
        saver = _SAVERS[self._path.suffix.lower()]
        if saver in _RGB_ALONE and image.bands < 3 and image.get_typeof('icc-profile-data'):
            # These files are RGB, and cannot have the profile of a grey image.
            image = image.icc_transform('srgb', embedded=True, depth=16 if image.format == 'ushort' else 8)
        getattr(image, saver)(os.fsencode(self._temporary), **_settings(saver, image, self._quality))
        if saver == 'tiffsave' and image.get_typeof('exif-data'):
            append_exif(self._temporary, image.get('exif-data'), image.width, image.height)

    def check(self) -> None:
        """Raises what the encoding failed with, if it did."""
        if not isinstance(self._failure, pyvips.Error):
            if self._failure is not None:
                raise self._failure
            return
        for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            if os.strerror(number) in self._failure.detail:
                raise OSError(number, os.strerror(number), str(self._path))
        raise InputError(f'{self._path} cannot be written ({first_line(self._failure)}).')


def _settings(saver: str, image: pyvips.Image, quality: int) -> dict[str, Any]:
    if saver == 'jpegsave':
        return {'Q': quality, 'subsample_mode': 'off', 'optimize_coding': True}
    if saver == 'webpsave':
        return {'Q': quality}
    if saver == 'heifsave':
        return {'Q': quality, 'compression': 'av1', 'bitdepth': 12 if image.format == 'ushort' else 8}
    if saver == 'tiffsave':
        bytes_of_all = image.width * image.height * image.bands * (2 if image.format == 'ushort' else 1)
        return {'compression': 'deflate', 'predictor': 'horizontal', 'bigtiff': bytes_of_all >= 1 << 31}
    return {}


def _with_metadata_of(source: pyvips.Image, image: pyvips.Image) -> pyvips.Image:
    density = [value if value != _UNKNOWN_DENSITY else _USUAL_DENSITY for value in (source.xres, source.yres)]
    image = image.copy(xres=density[0], yres=density[1])
    for name in source.get_fields():
        if name.startswith(_CARRIED) and not name.endswith('-Orientation'):
            value = source.get(name)
            value = _ORIENTATION.sub(rb'\g<1>1', value) if name == 'xmp-data' else value
            image.set_type(source.get_typeof(name), name, value)
    image.set_type(pyvips.GValue.gint_type, 'orientation', 1)
    return image


class _PNGStream:
    """Rows as a PNG without compression, which is how libvips takes an image of 8 or 16 bits through a pipe."""

    def __init__(self, pipe: Any, shape: tuple[int, int, int], dtype: np.dtype) -> None:
        height, width, bands = shape
        self._pipe, self._dtype = pipe, dtype
        self._stored = zlib.compressobj(0)
        pipe.write(b'\x89PNG\r\n\x1a\n')
        header = struct.pack('>IIBBBBB', width, height, 8 * dtype.itemsize, _PNG_COLOURS[bands], 0, 0, 0)
        self._chunk(b'IHDR', header)

    def write(self, pixels: NDArray) -> None:
        """Writes the next rows, (h, W, bands)."""
        samples = np.ascontiguousarray(pixels, self._dtype.newbyteorder('>')).view(np.uint8)
        samples = samples.reshape(len(pixels), -1)
        rows = max(1, _CHUNK // samples.shape[1])
        for start in range(0, len(samples), rows):
            # Each row begins with the number of its filter: 0, none.
            filtered = np.pad(samples[start : start + rows], ((0, 0), (1, 0)))
            self._chunk(b'IDAT', self._stored.compress(filtered.data))

    def end(self) -> None:
        self._chunk(b'IDAT', self._stored.flush())
        self._chunk(b'IEND', b'')

    def _chunk(self, kind: bytes, data: bytes) -> None:
        self._pipe.write(struct.pack('>I', len(data)) + kind)
        self._pipe.write(data)
        self._pipe.write(struct.pack('>I', zlib.crc32(data, zlib.crc32(kind))))
