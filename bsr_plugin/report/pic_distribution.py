"""How the patches of a data set are spread over the PIC intervals, before and after balancing (Fig. 1)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bsr_plugin.data.lmdb_reader import DATA_FILE
from bsr_plugin.data.pairs import PairedStores
from bsr_plugin.data.pic_index_store import open_or_build_index
from bsr_plugin.data.score_maps import GRADIENT, RESIDUAL, GradientMaps, ResidualMaps, SourcedMaps, SuppliedMaps
from bsr_plugin.data.store import Store, open_store
from bsr_plugin.errors import InputError
from bsr_plugin.pic.balance import BalanceRule
from bsr_plugin.pic.balanced import BalancedSampler
from bsr_plugin.pic.draws import batch_generator
from bsr_plugin.pic.index import PICIndex
from bsr_plugin.pic.intervals import IntervalRule
from bsr_plugin.pic.measure import ChannelRule

#: Example patches per interval.
_EXAMPLES = 4


@dataclass(frozen=True)
class Distribution:
    """A store of LR images, its PIC index, and the (p,) shares of the intervals by uniform and balanced sampling."""

    store: Store
    index: PICIndex
    uniform: NDArray[np.float64]
    balanced: NDArray[np.float64]


def distribution_of(
    path: Path,
    window: int,
    intervals: IntervalRule,
    channels: ChannelRule = 'max',
    score: str = 'gradient',
    hr: Path | None = None,
) -> Distribution:
    """Measures the shares of an LMDB (``*.lmdb``) or folder of LR images, whose PIC index is built if it has none.

    Patches are ``window`` LR pixels wide. The score is ``gradient``, ``residual``, which compares with the HR images of
    ``hr``, or a folder of maps.

    Raises:
        InputError: There is no such store, or it has no index and cannot be given one.
    """
    store = _opened(path)
    index = open_or_build_index(store, window, channels, intervals, _maps(score, store, hr, channels))
    return Distribution(store, index, uniform_shares(index), balanced_shares(index))


def _maps(score: str, lr: Store, hr: Path | None, channels: ChannelRule) -> SourcedMaps:
    if score == GRADIENT:
        return GradientMaps(lr, channels)
    if score != RESIDUAL:
        return SuppliedMaps(Path(score), lr)
    if hr is None:
        raise InputError('The residual compares LR with HR images: name the HR images with --hr.')
    return ResidualMaps(PairedStores.of(_opened(hr), lr))


def _opened(path: Path) -> Store:
    return open_store(path, 'lmdb' if path.suffix == '.lmdb' or (path / DATA_FILE).is_file() else 'disk')


def uniform_shares(index: PICIndex) -> NDArray[np.float64]:
    """Share of each interval among patches drawn uniformly: a random image, a random window of it."""
    return index.probabilities


def balanced_shares(index: PICIndex, batches: int = 256, batch_size: int = 16) -> NDArray[np.float64]:
    """Share of each interval among patches that random filter sampling really draws, by drawing them."""
    sampler = BalancedSampler(index, BalanceRule().of(index))
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
