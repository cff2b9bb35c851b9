"""What a network is shown: batches drawn uniformly beside batches drawn by random filter sampling (section III-B)."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from bsr_plugin.data.store import Store
from bsr_plugin.pic.balance import BalanceRule
from bsr_plugin.pic.balanced import BalancedSampler
from bsr_plugin.pic.draws import Sampler, batch_generator
from bsr_plugin.pic.index import PICIndex
from bsr_plugin.pic.uniform import UniformSampler
from bsr_plugin.report.pic_distribution import Distribution
from bsr_plugin.report.style import PRINT, Palette, new_figure

#: Patches in a batch, side by side in a row, and inches of a patch.
_BATCH, _COLUMNS, _PATCH = 16, 8, 0.62


@dataclass(frozen=True)
class Batch:
    """Patches of a batch, the smoothest first.

    Attributes:
        patches: (N, w, w, 3) RGB uint8.
        intervals: (N,) interval of each, in ascending order.
    """

    patches: NDArray[np.uint8]
    intervals: NDArray[np.int64]


def drawn_batch(store: Store, index: PICIndex, sampler: Sampler, seed: int = 0, size: int = _BATCH) -> Batch:
    """The first batch that a sampler draws from a store of LR images with this seed."""
    draws = sampler.draw(batch_generator(seed, 0, 0), size, 0)
    order = np.argsort(draws.intervals, kind='stable')
    tops, lefts = np.divmod(draws.positions, index.grid[draws.images, 1])
    patches = [
        store.image(int(draws.images[k]))[tops[k] : tops[k] + index.window, lefts[k] : lefts[k] + index.window, ::-1]
        for k in order
    ]
    return Batch(np.stack(patches), draws.intervals[order])


def batch_figure(distribution: Distribution, seed: int = 0, palette: Palette = PRINT) -> Figure:
    """A batch of 16 by uniform sampling, and below it one by random filter sampling, each the smoothest patch first."""
    store, index = distribution.store, distribution.index
    rows = -(-_BATCH // _COLUMNS)
    figure = new_figure(_COLUMNS * _PATCH + 0.2, 2 * (rows * _PATCH + 0.45), palette)
    samplers: dict[str, Sampler] = {
        'uniform sampling': UniformSampler(index),
        'random filter sampling': BalancedSampler(index, BalanceRule().of(index)),
    }
    parts = figure.subfigures(len(samplers), 1, squeeze=False)[:, 0]
    for part, (name, sampler) in zip(parts, samplers.items(), strict=True):
        _draw(part, name, drawn_batch(store, index, sampler, seed), index.bins, palette)
    return figure


def _draw(part: SubFigure, name: str, batch: Batch, bins: int, palette: Palette) -> None:
    served = np.unique(batch.intervals).size
    title = f'A batch by {name}: {served} of {bins} intervals of PIC'
    part.suptitle(title, fontsize=9, color=palette.ink)
    places = part.subplots(-(-len(batch.patches) // _COLUMNS), _COLUMNS, squeeze=False).ravel()
    for axes in places:
        axes.set_axis_off()
    for axes, patch in zip(places, batch.patches, strict=False):
        axes.imshow(patch, interpolation='nearest')
