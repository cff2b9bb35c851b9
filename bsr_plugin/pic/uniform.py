"""Unbalanced batches: uniform sampling, as BasicSR does it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bsr_plugin.pic.candidates import CandidateNumber, spread_images
from bsr_plugin.pic.draws import Draws
from bsr_plugin.pic.index import PICIndex


class UniformSampler:
    """``uniform``: every patch from a random image, uniformly among its windows.

    Patches come from the candidates in turn, so a batch sees as many different images as it can.
    """

    #: It never changes.
    version = 0

    def __init__(self, index: PICIndex, num_candidates: CandidateNumber = None):
        self._index = index
        self._candidates = num_candidates

    def draw(self, generator: np.random.Generator, batch_size: int, batch_index: int) -> Draws:
        """The windows of one batch; ``batch_index`` plays no part."""
        return self.draw_several([generator], batch_size, [batch_index])[0]

    def draw_several(
        self, generators: Sequence[np.random.Generator], batch_size: int, batch_indices: Sequence[int]
    ) -> list[Draws]:
        """The windows of several batches."""
        images = np.array([self._images(generator, batch_size) for generator in generators])
        which = np.array([generator.random(batch_size) for generator in generators])
        positions = (which * self._index.windows.take(images)).astype(np.int64)
        intervals = self._index.intervals_at(images, positions)
        return [Draws(*of_batch) for of_batch in zip(images, positions, intervals, strict=True)]

    def _images(self, generator: np.random.Generator, batch_size: int) -> NDArray[np.int64]:
        return spread_images(generator, self._index.usable, self._candidates, batch_size)
