"""Batches of which a share comes from a band of each image's own quantiles, such as its upper half."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bsr_plugin.errors import InputError, is_number
from bsr_plugin.pic.candidates import CandidateNumber, spread_images
from bsr_plugin.pic.dist_info import SINGLE_PROCESS, DistInfo
from bsr_plugin.pic.draws import Draws
from bsr_plugin.pic.index import PICIndex
from bsr_plugin.pic.quotas import quotas


@dataclass(frozen=True)
class BandRule:
    """Which part of a batch comes from which quantiles.

    Attributes:
        share: Expected share of the batch that comes from the band, 0 to 1; the rest is drawn uniformly.
        quantiles: Ends of the band among the windows of an image, ordered by their score; 0 to 1, increasing.

    Raises:
        InputError: A value is out of range.
    """

    share: float = 0.5
    quantiles: tuple[float, float] = (0.5, 0.95)

    def __post_init__(self) -> None:
        if not is_number(self.share) or not 0 <= self.share <= 1:
            raise InputError(f'pic_band has share {self.share}: use a number from 0 to 1.')
        if not all(map(is_number, self.quantiles)) or not 0 <= self.quantiles[0] < self.quantiles[1] <= 1:
            raise InputError(f'pic_band has quantiles {list(self.quantiles)}: use two numbers from 0 to 1, increasing.')


class BandSampler:
    """``band``: images as ``uniform`` has them; of the windows, a share from the image's own band of quantiles.

    The windows of an image are ordered by interval, and within an interval not at all: an interval that the band covers
    in part gives its part of the draws, spread over all of its windows. So the distribution is exact up to the
    resolution of the intervals, which more of them, or intervals of equal shares (``pic_spacing: quantile``), make
    finer.

    Args:
        index: PIC index of the LR images.
        band: The share and the band.
        num_candidates: M; ``None`` for the batch size, ``'all'`` for the whole data set.
        job: The rank that draws.
    """

    #: It never changes.
    version = 0

    def __init__(
        self, index: PICIndex, band: BandRule, num_candidates: CandidateNumber = None, job: DistInfo = SINGLE_PROCESS
    ):
        self._index = index
        self._band = band
        self._candidates = num_candidates
        self._job = job
        self._parts = np.array([band.share, 1 - band.share])

    def draw(self, generator: np.random.Generator, batch_size: int, batch_index: int) -> Draws:
        """The windows of batch ``batch_index``, which decides how the number from the band is rounded."""
        return self.draw_several([generator], batch_size, [batch_index])[0]

    def draw_several(
        self, generators: Sequence[np.random.Generator], batch_size: int, batch_indices: Sequence[int]
    ) -> list[Draws]:
        """The windows of the batches ``batch_indices``."""
        index, (low, high) = self._index, self._band.quantiles
        images = np.concatenate(
            [spread_images(generator, index.usable, self._candidates, batch_size) for generator in generators]
        )
        numbers = np.array([generator.random((2, batch_size)) for generator in generators])
        for quantiles, batch_index in zip(numbers[:, 0], batch_indices, strict=True):
            from_band = int(quotas(self._parts, batch_size, batch_index, self._job)[0])
            quantiles[:from_band] = low + (high - low) * quantiles[:from_band]
        # The interval that holds this quantile of the image's windows, ordered by interval.
        ends = np.add.accumulate(index.counts.take(images, axis=0), axis=1, dtype=np.int64)
        wanted = numbers[:, 0].ravel() * index.windows.take(images)
        intervals = (ends > wanted[:, None]).argmax(axis=1)
        positions = index.choose(images, intervals, numbers[:, 1].ravel())
        orders = [generator.permutation(batch_size) + k * batch_size for k, generator in enumerate(generators)]
        return [Draws(images.take(order), positions.take(order), intervals.take(order)) for order in orders]
