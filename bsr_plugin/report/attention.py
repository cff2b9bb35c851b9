"""The attention maps A_i of the feature mapping groups and their mean weights (paper, section III-C)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from basicsr.archs import build_network
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bsr_plugin.archs.bsr_arch import BSRNet
from bsr_plugin.data.patch import to_tensor
from bsr_plugin.errors import InputError
from bsr_plugin.evaluation.results import RunResult
from bsr_plugin.report.style import PRINT, Palette, new_figure, picture_axes, plain_axes

_COLUMNS = 5
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


def load_network(run: RunResult) -> BSRNet:
    """The network of a test run, with its weights, on the CPU.

    Raises:
        InputError: It is no BSRNet, or its weights are gone or do not fit.
    """
    if run.network.get('type') != 'BSRNet':
        raise InputError(f'{run.name} tested {run.network.get("type")}, which has no attention maps: use a BSRNet.')
    network = build_network(run.network)
    if run.weights is not None:
        network.load_state_dict(_weights(Path(run.weights), run.param_key))
    return network.eval()


def _weights(path: Path, key: str | None) -> dict[str, torch.Tensor]:
    try:
        content = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:
        raise InputError(
            f'{path} cannot be read ({type(error).__name__}): the weights of the run are needed.'
        ) from error
    weights = content[key] if key is not None and key in content else content.get('params', content)
    return {name.removeprefix('module.'): tensor for name, tensor in weights.items()}


def attention_of(network: BSRNet, lr: NDArray[np.uint8]) -> Attention:
    """The attention maps on an LR image.

    Args:
        network: A network in evaluation mode.
        lr: (h, w, 3) BGR uint8.
    """
    with torch.inference_mode():
        maps = network.attention_maps(to_tensor(lr)[None] * network.img_range)
    return Attention(lr[..., ::-1], np.stack([weights[0, 0].numpy() for weights in maps]))


def weights_figure(attentions: Sequence[Attention], palette: Palette = PRINT) -> Figure:
    """A bar for the mean weight of each group over the images, a line over the means of single images."""
    means = np.stack([attention.means for attention in attentions])
    groups = np.arange(1, means.shape[1] + 1)
    average = means.mean(axis=0)
    figure = new_figure(7, 2.6, palette)
    axes = figure.subplots()
    axes.bar(groups, average, 0.7, color=palette.of(0))
    if len(attentions) > 1:
        reach = np.stack([average - means.min(axis=0), means.max(axis=0) - average])
        axes.errorbar(groups, average, reach, fmt='none', ecolor=palette.ink, elinewidth=1, capsize=2)
    plain_axes(axes, palette)
    axes.set_xticks(groups)
    axes.set_ylim(0, max(1.0, float(means.max()) * 1.05))
    axes.set_xlabel('feature mapping group')
    axes.set_ylabel('mean weight')
    return figure


def maps_figure(attention: Attention, palette: Palette = PRINT) -> Figure:
    """The LR image and the map of every group, on one scale from 0 to 1."""
    count = len(attention.maps) + 1
    columns = min(_COLUMNS, count)
    rows = -(-count // columns)
    height, width = attention.image.shape[:2]
    figure = new_figure(9, rows * (9 / columns * height / width + 0.25), palette)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels:
        picture_axes(axes, palette)
    panels[0].imshow(attention.image, interpolation='nearest')
    panels[0].set_title('LR image')
    for number, (axes, weights) in enumerate(zip(panels[1:], attention.maps, strict=False), 1):
        drawn = axes.imshow(weights, cmap=COLOUR_MAP, vmin=0, vmax=1, interpolation='nearest')
        axes.set_title(f'A{number}: mean {weights.mean():.3f}')
    bar = figure.colorbar(drawn, ax=panels, shrink=0.6, pad=0.01)
    bar.ax.tick_params(colors=palette.muted, labelsize=8)
    bar.outline.set_visible(False)
    return figure
