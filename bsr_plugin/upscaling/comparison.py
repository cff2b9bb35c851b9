"""Bicubic interpolation and the network's result side by side, as one picture."""

import os
from pathlib import Path

from bsr_plugin.atomic import replacing
from bsr_plugin.errors import InputError
from bsr_plugin.upscaling.libvips import first_line, pyvips
from bsr_plugin.upscaling.plan import comparison_path
from bsr_plugin.upscaling.reading import ImageFile
from bsr_plugin.upscaling.settings import MAX_PIXELS


def write_comparison(source: Path, target: Path, scale: int, max_pixels: int = MAX_PIXELS) -> None:
    """Writes ``comparison_path(target)``: the interpolated image on the left, the output on the right, row by row.

    Raises:
        InputError: One of the files cannot be read, or libvips cannot write the picture.
    """
    small = ImageFile(source, max_pixels).image
    large = ImageFile(target, scale**2 * max_pixels).image
    interpolated = _like(bicubic(small, scale).cast(small.format), large)
    picture = comparison_path(target)
    with replacing(picture) as temporary:
        try:
            interpolated.join(large, 'horizontal').pngsave(os.fsencode(temporary))
        except pyvips.Error as error:
            raise InputError(f'{picture} cannot be written ({first_line(error)}).') from None


def _like(image: pyvips.Image, large: pyvips.Image) -> pyvips.Image:
    """With the samples and bands of an output, whose format may have 8 bits only, no grey, or no opaque alpha."""
    if image.format != large.format:
        kind = 'b-w' if image.bands < 3 else 'srgb'
        image = (image / 257).rint().cast(large.format).copy(interpretation=kind)
    if image.bands < 3 <= large.bands:
        image = image.colourspace(large.interpretation)
    return image[: large.bands] if image.hasalpha() and not large.hasalpha() else image


def bicubic(image: pyvips.Image, scale: int) -> pyvips.Image:
    """Keys' bicubic interpolation with a = -0.5, as MATLAB's; libvips's own ``resize`` shifts the image."""
    centre = (scale - 1) / 2
    return image.affine(
        [scale, 0, 0, scale],
        interpolate=pyvips.Interpolate.new('bicubic'),
        oarea=[0, 0, scale * image.width, scale * image.height],
        odx=centre,
        ody=centre,
        extend='copy',
    )
