"""Balanced batches without rejections: the interval of every place by quota, then an image, then a window (Table 1).

Table 1 crops windows at random and accepts them while their interval has room. Read as "one of the M candidate images
at random, one of its windows at random", the accepted windows of an interval are independent draws of an image with
probability proportional to the share of its windows that lie in the interval, then of one of these windows
uniformly. :class:`BalancedSampler` draws from that law directly, for any quotas.
"""

import numpy as np
from numpy.typing import NDArray

from bsr_plugin.pic.balance import Balance
from bsr_plugin.pic.candidates import (
    NOBODY,
    CandidateNumber,
    Choice,
    ImageChoice,
    ShareChoice,
    SpreadChoice,
    choose_candidates,
    number_of_candidates,
)
from bsr_plugin.pic.draws import Draws
from bsr_plugin.pic.index import PICIndex
from bsr_plugin.pic.quotas import places
from bsr_plugin.pic.whole_set import WholeSet


class BalancedSampler:
    """``rfs``: interval quotas by a balance, images by a choice among the candidates, windows uniformly.

    With all images as candidates, chosen by ``share``, a window w of image i in interval k is drawn with probability
    q_k / pi_k times that of uniform sampling; so uniform sampling's own law is that of q = pi.

    Args:
        index: PIC index of the LR images.
        balance: Probabilities of the intervals.
        num_candidates: M; ``None`` for the batch size, ``'all'`` for the whole data set.
        image_choice: ``share`` (Table 1) or ``spread``.
    """

    def __init__(
        self,
        index: PICIndex,
        balance: Balance,
        num_candidates: CandidateNumber = None,
        image_choice: ImageChoice = 'share',
    ):
        self._index = index
        self._balance = balance
        self._candidates = num_candidates
        self._whole = WholeSet(index)
        choice = SpreadChoice if image_choice == 'spread' else ShareChoice
        self._choice: Choice = choice(index, self._whole)

    def draw(self, generator: np.random.Generator, batch_size: int, ordinal: int) -> Draws:
        """The windows of the batch with this ordinal, which decides where the remainder of the quotas goes."""
        candidates = self._draw_candidates(generator, batch_size)
        asked = generator.permutation(places(self._balance.probabilities(ordinal), batch_size, ordinal))
        if candidates is None:
            intervals = self._whole.nearest.take(asked)
            images = self._choice.images(generator, None, intervals)
            return self._windows(generator, images, intervals, displaced=int((intervals != asked).sum()))
        images = self._choice.images(generator, candidates, asked)
        if images.min() > NOBODY:
            return self._windows(generator, images, asked)
        lacking = (images == NOBODY).nonzero()[0]
        own = self._whole.nearest.take(asked[lacking])
        displaced = int((own != asked[lacking]).sum())
        images[lacking], asked[lacking] = self._whole.pick(own, generator.random(lacking.size)), own
        return self._windows(generator, images, asked, lacking.size - displaced, displaced)

    def _draw_candidates(self, generator: np.random.Generator, batch_size: int) -> NDArray[np.int64] | None:
        """The candidates of a batch; ``None`` if every image is one, which needs no random numbers."""
        usable = self._index.usable
        number = number_of_candidates(self._candidates, batch_size, usable.size)
        return None if number == usable.size else choose_candidates(generator, usable, number)

    def _windows(
        self,
        generator: np.random.Generator,
        images: NDArray[np.int64],
        intervals: NDArray[np.int64],
        widened: int = 0,
        displaced: int = 0,
    ) -> Draws:
        """A window for each image and interval, uniformly."""
        positions = self._index.choose(images, intervals, generator.random(images.size))
        return Draws(images, positions, intervals, widened, displaced)
