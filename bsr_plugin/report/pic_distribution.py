"""How the patches of a data set are spread over the PIC intervals, before and after balancing (Fig. 1)."""

import numpy as np
from numpy.typing import NDArray

from bsr_plugin.data.pic_index_of import Store
from bsr_plugin.pic.index import PICIndex
from bsr_plugin.pic.sampling import BalancedSampler, batch_generator

#: Example patches per interval.
_EXAMPLES = 4


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
        patches.append(
            [_patch(store, index, *window) for window in zip(images.tolist(), positions.tolist(), strict=True)]
        )
    return patches


def _patch(store: Store, index: PICIndex, image: int, position: int) -> NDArray[np.uint8]:
    top, left = divmod(position, int(index.grid[image, 1]))
    return store.image(image)[top : top + index.window, left : left + index.window, ::-1]
