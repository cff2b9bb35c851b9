"""Balanced batches without rejections: the interval of every place by quota, then an image, then a window (Table 1).

Table 1 crops windows at random and accepts them while their interval has room. Read as "one of the M candidate images
at random, one of its windows at random", the accepted windows of an interval are independent draws of an image with
probability proportional to the share of its windows that lie in the interval, then of one of these windows
uniformly. :class:`BalancedSampler` draws from that distribution directly, for any quotas.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bsr_plugin.pic.balance import Balance
from bsr_plugin.pic.candidates import (
    NO_CANDIDATE,
    CandidateNumber,
    Choice,
    ImageChoice,
    ShareChoice,
    SpreadChoice,
    choose_candidates,
    number_of_candidates,
)
from bsr_plugin.pic.dist_info import SINGLE_PROCESS, DistInfo
from bsr_plugin.pic.draws import Draws
from bsr_plugin.pic.index import PICIndex
from bsr_plugin.pic.quotas import places
from bsr_plugin.pic.whole_set import WholeSet


class BalancedSampler:
    """``rfs``: interval quotas by a balance, images by a choice among the candidates, windows uniformly.

    With all images as candidates, chosen by ``share``, a window w of image i in interval k is drawn with probability
    q_k / pi_k times that of uniform sampling; so uniform sampling's own distribution is that of q = pi.

    Args:
        index: PIC index of the LR images.
        balance: Probabilities of the intervals.
        num_candidates: M; ``None`` for the batch size of all ranks together, ``'all'`` for the whole data set.
        image_choice: ``share`` (Table 1) or ``spread``.
        job: The rank that draws.
    """

    #: It never changes.
    version = 0

    def __init__(
        self,
        index: PICIndex,
        balance: Balance,
        num_candidates: CandidateNumber = None,
        image_choice: ImageChoice = 'share',
        job: DistInfo = SINGLE_PROCESS,
    ):
        self._index = index
        self._balance = balance
        self._candidates = num_candidates
        self._job = job
        self._whole = WholeSet(index)
        choice = SpreadChoice if image_choice == 'spread' else ShareChoice
        self._choice: Choice = choice(index, self._whole)

    def draw(self, generator: np.random.Generator, batch_size: int, batch_index: int) -> Draws:
        """The windows of batch ``batch_index``, which decides where the remainder of the quotas goes."""
        return self.draw_several([generator], batch_size, [batch_index])[0]

    def draw_several(
        self, generators: Sequence[np.random.Generator], batch_size: int, batch_indices: Sequence[int]
    ) -> list[Draws]:
        """The windows of the batches ``batch_indices``."""
        candidates = self._draw_candidates(generators, batch_size)
        asked = np.array(
            [
                generator.permutation(
                    places(self._balance.probabilities(batch_index), batch_size, batch_index, self._job)
                )
                for generator, batch_index in zip(generators, batch_indices, strict=True)
            ]
        )
        intervals = asked if candidates is not None else self._whole.nearest.take(asked)
        images = self._choice.images(generators, candidates, intervals)
        elsewhere = self._fill_from_the_whole_set(generators, images, intervals) if images.min() == NO_CANDIDATE else {}
        which = np.array([generator.random(batch_size) for generator in generators])
        positions = self._index.choose(images.ravel(), intervals.ravel(), which.ravel()).reshape(images.shape)
        displaced = [0] * len(generators) if intervals is asked else (intervals != asked).sum(axis=1).tolist()
        return [
            Draws(*of_batch, *elsewhere.get(k, (0, displaced[k])))
            for k, of_batch in enumerate(zip(images, positions, intervals, strict=True))
        ]

    def _draw_candidates(self, generators: Sequence[np.random.Generator], batch_size: int) -> NDArray[np.int64] | None:
        """(K, M) the candidates of each batch; ``None`` if every image is one, which needs no random numbers."""
        usable = self._index.usable
        number = number_of_candidates(self._candidates, batch_size * self._job.world_size, usable.size)
        if number == usable.size:
            return None
        return np.array([choose_candidates(generator, usable, number) for generator in generators])

    def _fill_from_the_whole_set(
        self, generators: Sequence[np.random.Generator], images: NDArray[np.int64], intervals: NDArray[np.int64]
    ) -> dict[int, tuple[int, int]]:
        """Puts images of the whole data set, and the nearest intervals that it has, where no candidate serves.

        Returns:
            Batch -> number of its places that these images widened, and of those that were displaced.
        """
        counts = {}
        for batch in (images.min(axis=1) == NO_CANDIDATE).nonzero()[0].tolist():
            lacking = (images[batch] == NO_CANDIDATE).nonzero()[0]
            asked = intervals[batch, lacking]
            own = self._whole.nearest.take(asked)
            images[batch, lacking] = self._whole.pick(own, generators[batch].random(lacking.size))
            intervals[batch, lacking] = own
            displaced = int((own != asked).sum())
            counts[batch] = lacking.size - displaced, displaced
        return counts
