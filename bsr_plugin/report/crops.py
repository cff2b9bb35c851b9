"""Crops of reconstructions side by side (paper, Fig. 2 and 7)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from bsr_plugin.pic.measure import gradient_map, window_sums
from bsr_plugin.report.compare import Comparison

_GAP, _CAPTION, _FONT_SIZE = 8, 26, 15
_PAPER, _INK = (255, 255, 255), (30, 30, 30)


def crop_sheet(comparisons: Sequence[Comparison], label: str, side: int = 72, zoom: int = 4) -> Image.Image:
    """One row per image: bicubic, the network's result, HR; the region with the most texture, enlarged.

    Args:
        comparisons: What to show.
        label: Name of the network.
        side: Side of a crop in HR pixels.
        zoom: Every pixel becomes ``zoom`` x ``zoom`` pixels, so that nothing is interpolated twice.
    """
    cell = side * zoom
    width = 3 * cell + 4 * _GAP
    sheet = Image.new('RGB', (width, len(comparisons) * (cell + _CAPTION + _GAP) + _GAP), _PAPER)
    drawing, font = ImageDraw.Draw(sheet), ImageFont.load_default(_FONT_SIZE)
    for row, item in enumerate(comparisons):
        top, left = busiest_region(item.truth, side)
        captions = (
            f'{item.name}: bicubic, {item.bicubic_psnr:.2f} dB',
            f'{label}, {item.result_psnr:.2f} dB',
            'HR',
        )
        y = _GAP + row * (cell + _CAPTION + _GAP)
        for column, (image, caption) in enumerate(zip((item.bicubic, item.result, item.truth), captions, strict=True)):
            crop = np.ascontiguousarray(image[top : top + side, left : left + side, ::-1])
            x = _GAP + column * (cell + _GAP)
            sheet.paste(Image.fromarray(crop).resize((cell, cell), Image.Resampling.NEAREST), (x, y + _CAPTION))
            drawing.text((x, y + 3), caption, _INK, font)
    return sheet


def busiest_region(image: NDArray[np.uint8], side: int) -> tuple[int, int]:
    """Upper left corner of the ``side`` x ``side`` window with the highest PIC; (0, 0) if the image is smaller."""
    sums = window_sums(gradient_map(image), side)
    if not sums.size:
        return 0, 0
    top, left = np.unravel_index(int(sums.argmax()), sums.shape)
    return int(top), int(left)
