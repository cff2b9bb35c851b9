"""Where a reconstruction differs from the HR image, by L2 and by Lp (paper, Fig. 8)."""

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bsr_plugin.report.bicubic import Image
from bsr_plugin.report.style import PRINT, caption, new_figure

#: Differences are shown with this colour map, from dark (none) to light (the largest in the image).
COLOUR_MAP = 'inferno'


def difference_maps(result: Image, truth: Image, p: float = 0.5) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What every pixel adds to the L2 and to the Lp term of the loss, from two (H, W, 3) uint8 images.

    Returns:
        Two (H, W) maps: the mean over the channels of d^2 and of abs(d)^p, d being the difference in unit range.
    """
    difference = np.abs(result.astype(np.float64) - truth) / 255
    return (difference**2).mean(axis=2), (difference**p).mean(axis=2)


def coloured(values: NDArray[np.float64]) -> Image:
    """A map as an (H, W, 3) RGB picture; the largest value gets the lightest colour."""
    top = values.max()
    return colormaps[COLOUR_MAP](values / top if top else values, bytes=True)[..., :3]


def difference_figure(result: Image, truth: Image, label: str, p: float = 0.5) -> Figure:
    """HR image, reconstruction, L2 map and Lp map side by side; arguments as of :func:`difference_maps`, but BGR."""
    l2, lp = difference_maps(result, truth, p)
    pictures = (
        ('HR', truth[..., ::-1]),
        (label, result[..., ::-1]),
        (f'L2: up to {l2.max():.4f}', coloured(l2)),
        (f'Lp, p = {p:g}: up to {lp.max():.3f}', coloured(lp)),
    )
    height, width = truth.shape[:2]
    figure = new_figure(10, 10 / 4 * height / width + 0.3, PRINT)
    for axes, (text, picture) in zip(figure.subplots(1, 4), pictures, strict=True):
        axes.set_axis_off()
        axes.imshow(picture, interpolation='nearest')
        caption(axes, text, PRINT)
    return figure
