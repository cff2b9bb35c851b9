"""What the slider shows: bicubic interpolation and the result, as PNG files of 8 bits that every browser shows."""

import os
from pathlib import Path

from bsr_plugin.errors import InputError
from bsr_plugin.upscaling.comparison import bicubic
from bsr_plugin.upscaling.libvips import first_line, pyvips
from bsr_plugin.upscaling.reading import ImageFile

#: Pixels of the largest preview; larger results are shown smaller, so that a phone can show them, too.
MAX_PIXELS = 16_000_000
#: No limit: what is shown has passed one.
_ANY_SIZE = 1 << 40


def write_previews(source: Path, target: Path, scale: int, folder: Path) -> tuple[Path, Path]:
    """Writes ``bicubic.png`` and ``BSR.png``, of the same size, with the colour profile, on white where transparent.

    Args:
        source: The image that was upscaled.
        target: The result, ``scale`` times as high and wide.
        scale: Factor from one to the other.
        folder: Where the previews go.

    Raises:
        InputError: One of the files cannot be read, or libvips cannot write the previews.
    """
    small, large = (_in_8_bits(_opaque(ImageFile(path, _ANY_SIZE).image)) for path in (source, target))
    paths = folder / 'bicubic.png', folder / 'BSR.png'
    try:
        for path, image in zip(paths, (bicubic(small, scale), large), strict=True):
            _fitting(image).pngsave(os.fsencode(path), compression=3, keep='icc')
    except pyvips.Error as error:
        raise InputError(f'The previews cannot be written ({first_line(error)}): try another image.') from None
    return paths


def _opaque(image: pyvips.Image) -> pyvips.Image:
    """On white, which is the largest sample."""
    if not image.hasalpha():
        return image
    white = 255 if image.format == 'uchar' else 65535
    return image.flatten(background=white, max_alpha=white)


def _in_8_bits(image: pyvips.Image) -> pyvips.Image:
    if image.format == 'uchar':
        return image
    return (image / 257).rint().cast('uchar').copy(interpretation='b-w' if image.bands == 1 else 'srgb')


def _fitting(image: pyvips.Image) -> pyvips.Image:
    pixels = image.width * image.height
    return image if pixels <= MAX_PIXELS else image.resize((MAX_PIXELS / pixels) ** 0.5)
