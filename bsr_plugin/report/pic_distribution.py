"""How the patches of a data set are spread over the PIC intervals, before and after balancing (Fig. 1)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bsr_plugin.data.pic_index_of import Store, index_of
from bsr_plugin.data.store import open_store
from bsr_plugin.pic.index import PICIndex
from bsr_plugin.pic.intervals import IntervalRule
from bsr_plugin.pic.measure import ChannelRule
from bsr_plugin.pic.sampling import BalancedSampler, batch_generator

#: Example patches per interval.
_EXAMPLES = 4


@dataclass(frozen=True)
class Distribution:
    """A store of LR images, its PIC index, and the (p,) shares of the intervals by uniform and balanced sampling."""

    store: Store
    index: PICIndex
    uniform: NDArray[np.float64]
    balanced: NDArray[np.float64]


def distribution_of(path: Path, window: int, intervals: IntervalRule, channels: ChannelRule = 'max') -> Distribution:
    """Measures the shares of an LMDB (``*.lmdb``) or folder of LR images, whose PIC index is built if it has none.

    Patches are ``window`` LR pixels wide.

    Raises:
        InputError: There is no such store, or it has no index and cannot be given one.
    """
    store = open_store(path, 'lmdb' if path.suffix == '.lmdb' else 'disk')
    index = index_of(store, window, channels, intervals)
    return Distribution(store, index, uniform_shares(index), balanced_shares(index))


def uniform_shares(index: PICIndex) -> NDArray[np.float64]:
    """Share of each interval among patches drawn uniformly: a random image, a random window of it."""
    usable = index.usable
    shares: NDArray[np.float64] = (index.counts[usable] / index.windows[usable, None]).mean(axis=0)
    return shares


def balanced_shares(index: PICIndex, batches: int = 256, batch_size: int = 16) -> NDArray[np.float64]:
    """Share of each interval among patches that random filter sampling really draws, by drawing them."""
    sampler = BalancedSampler(index, None)
    drawn = [sampler.draw(batch_generator(0, 0, batch_size * k), batch_size, k).intervals for k in range(batches)]
    return np.bincount(np.concatenate(drawn), minlength=index.bins) / (batches * batch_size)


def example_patches(store: Store, index: PICIndex) -> list[list[NDArray[np.uint8]]]:
    """Per interval up to four patches, (w, w, 3) RGB, from random images that have it."""
    generator = batch_generator(0, 0, 0)
    patches: list[list[NDArray[np.uint8]]] = []
    for interval in range(index.bins):
        having = np.flatnonzero(index.counts[:, interval])
        images = generator.permutation(having)[:_EXAMPLES]
        ranks = generator.integers(0, index.counts[images, interval]) if images.size else images
        positions = index.select(images, np.full(images.size, interval), ranks)
        tops, lefts = np.divmod(positions, index.grid[images, 1])
        patches.append(
            [
                store.image(image)[top : top + index.window, left : left + index.window, ::-1]
                for image, top, left in zip(images.tolist(), tops.tolist(), lefts.tolist(), strict=True)
            ]
        )
    return patches
