"""The attention maps A_i of the feature mapping groups and their mean weights (paper, section III-C)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from bsr_plugin.archs.bsr_arch import BSRNet
from bsr_plugin.data.patch import to_tensor
from bsr_plugin.errors import InputError
from bsr_plugin.evaluation.results import RunResult
from bsr_plugin.models.load_network import load_bsrnet
from bsr_plugin.report.style import PRINT, Palette, caption, new_figure, plain_axes

_COLUMNS = 5
#: Inches.
_WIDTH, _BARS = 9.0, 2.4
#: LR pixels on a side of what maps are computed on.
_SIDE = 128
COLOUR_MAP = 'viridis'


@dataclass(frozen=True)
class Attention:
    """What the groups' outputs are weighted with on an image.

    Attributes:
        image: The LR image, (h, w, 3) RGB uint8.
        maps: (n, h, w) weights in (0, 1), one map for each group that is concatenated.
    """

    image: NDArray[np.uint8]
    maps: NDArray[np.float32]

    @property
    def means(self) -> NDArray[np.float32]:
        """(n,) mean weight of each group."""
        return self.maps.mean(axis=(1, 2))


def has_attention(network: Mapping[str, Any]) -> bool:
    """Whether a section ``network_g`` is that of a BSRNet with attention."""
    return network.get('type') == 'BSRNet' and network.get('attention') != 'none'


def load_network(run: RunResult) -> BSRNet:
    """The network of a test run, with its weights, on the CPU.

    Raises:
        InputError: It is not a BSRNet with attention, or its weights are gone, damaged or do not fit.
    """
    if not has_attention(run.network):
        raise InputError(f'{run.name} tested a {run.network.get("type")} without attention: use a BSRNet with it.')
    if run.weights is None:
        raise InputError(f'{run.name} tested a random network, whose weights are not saved: test a file of weights.')
    return load_bsrnet(Path(run.weights), run.param_key, run.network)


def measure_attention(run: RunResult, images: Sequence[NDArray[np.uint8]]) -> list[Attention]:
    """The attention of a run's network on the middle of some LR images, (h, w, 3) BGR uint8.

    Raises:
        InputError: As :func:`load_network`.
    """
    network = load_network(run)
    attentions = []
    for image in images:
        top, left = (max(0, length - _SIDE) // 2 for length in image.shape[:2])
        lr = image[top : top + _SIDE, left : left + _SIDE]
        with torch.inference_mode():
            maps = network.attention_maps(to_tensor(lr)[None] * network.img_range)
        attentions.append(Attention(lr[..., ::-1], torch.cat(maps)[:, 0].numpy()))
    return attentions


def attention_figure(attentions: Sequence[Attention], palette: Palette = PRINT) -> Figure:
    """The mean weight of every group over the images; below it the LR image and the maps of the first of them."""
    first = attentions[0]
    columns = min(_COLUMNS, len(first.maps) + 1)
    rows = -(-(len(first.maps) + 1) // columns)
    height, width = first.image.shape[:2]
    below = rows * (_WIDTH / columns * height / width + 0.25)
    figure = new_figure(_WIDTH, _BARS + below, palette)
    grid = figure.add_gridspec(2, 1, height_ratios=[_BARS, below])
    upper, lower = figure.add_subfigure(grid[0]), figure.add_subfigure(grid[1])
    for part in (upper, lower):
        part.set_facecolor('none')
    _draw_weights(upper.subplots(), np.stack([attention.means for attention in attentions]), palette)
    _draw_maps(lower, first, (rows, columns), palette)
    return figure


def _draw_weights(axes: Axes, means: NDArray[np.float32], palette: Palette) -> None:
    """A bar for each group, a line over the means of single images; ``means`` is (images, groups)."""
    groups = np.arange(1, means.shape[1] + 1)
    average = means.mean(axis=0)
    axes.bar(groups, average, 0.7, color=palette.of(0))
    if len(means) > 1:
        reach = np.stack([average - means.min(axis=0), means.max(axis=0) - average])
        axes.errorbar(groups, average, reach, fmt='none', color=palette.ink, elinewidth=1, capsize=2)
    plain_axes(axes, palette)
    axes.set_xticks(groups)
    axes.set_ylim(0, 1)
    axes.set_xlabel('feature mapping group')
    axes.set_ylabel('mean weight')


def _draw_maps(part: SubFigure, attention: Attention, shape: tuple[int, int], palette: Palette) -> None:
    """The LR image and the map of every group, on one scale from 0 to 1."""
    panels = list(part.subplots(*shape, squeeze=False).flat)
    for axes in panels:
        axes.set_axis_off()
    panels[0].imshow(attention.image, interpolation='nearest')
    caption(panels[0], 'LR image', palette)
    for number, (axes, weights) in enumerate(zip(panels[1:], attention.maps, strict=False), 1):
        drawn = axes.imshow(weights, cmap=COLOUR_MAP, vmin=0, vmax=1, interpolation='nearest')
        caption(axes, f'A{number}: mean {weights.mean():.3f}', palette)
    bar = part.colorbar(drawn, ax=panels, shrink=0.6, pad=0.01)
    bar.ax.tick_params(colors=palette.muted, labelsize=8)
    bar.outline.set_visible(False)  # type: ignore
