"""Unbalanced batches: what toolboxes do."""

import numpy as np

from bsr_plugin.pic.candidates import CandidateNumber, spread_images
from bsr_plugin.pic.draws import Draws
from bsr_plugin.pic.index import PICIndex


class UniformSampler:
    """``uniform``: every patch from a random image, uniformly among its windows.

    Patches come from the candidates in turn, so a batch sees as many different images as it can.
    """

    def __init__(self, index: PICIndex, num_candidates: CandidateNumber = None):
        self._index = index
        self._candidates = num_candidates

    def draw(self, generator: np.random.Generator, batch_size: int, ordinal: int) -> Draws:
        """The windows of one batch; ``ordinal`` plays no part."""
        images = spread_images(generator, self._index.usable, self._candidates, batch_size)
        positions = (generator.random(batch_size) * self._index.windows[images]).astype(np.int64)
        return Draws(images, positions, self._index.intervals_at(images, positions))
