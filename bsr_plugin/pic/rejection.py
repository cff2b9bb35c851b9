"""Table 1 to the letter: windows are cropped at random, measured, and accepted while their interval has room."""

import numpy as np
from numpy.typing import NDArray

from bsr_plugin.pic.balance import Balance
from bsr_plugin.pic.candidates import CandidateNumber, choose_candidates, number_of_candidates
from bsr_plugin.pic.dist_info import SINGLE_PROCESS, DistInfo
from bsr_plugin.pic.draws import Draws, MeasureWindow
from bsr_plugin.pic.index import PICIndex
from bsr_plugin.pic.quotas import quotas
from bsr_plugin.pic.whole_set import WholeSet


class RejectionSampler:
    """``rejection``: the loop of Table 1, the oracle of tests and benchmarks.

    Windows are cropped at random and measured from their pixels until every interval has its quota. Only where the
    loop would never end, because no candidate has an interval, are all images candidates for that interval.

    Args:
        index: PIC index of the LR images.
        balance: Probabilities of the intervals.
        num_candidates: M; ``None`` for the batch size of all ranks together, ``'all'`` for the whole data set.
        measure: Measures a window from its pixels.
        job: The rank that draws.
    """

    def __init__(
        self,
        index: PICIndex,
        balance: Balance,
        num_candidates: CandidateNumber,
        measure: MeasureWindow,
        job: DistInfo = SINGLE_PROCESS,
    ):
        self._index = index
        self._balance = balance
        self._candidates = num_candidates
        self._measure = measure
        self._job = job
        self._nearest = WholeSet(index).nearest

    def draw(self, generator: np.random.Generator, batch_size: int, batch_index: int) -> Draws:
        """The windows of batch ``batch_index``."""
        index = self._index
        number = number_of_candidates(self._candidates, batch_size * self._job.world_size, index.usable.size)
        candidates = choose_candidates(generator, index.usable, number)
        room = quotas(self._balance.probabilities(batch_index), batch_size, batch_index, self._job).copy()
        at_hand = index.counts[candidates].any(axis=0)
        beyond = np.zeros_like(room)
        displaced = 0
        for interval in np.flatnonzero((room > 0) & ~at_hand).tolist():
            target = self._nearest[interval]
            displaced += int(room[interval]) * int(target != interval)
            beyond[target] += room[interval]
            room[interval] = 0
        accepted = self._fill(generator, candidates, room) + self._fill(generator, index.usable, beyond)
        drawn = np.array(accepted, np.int64)[generator.permutation(batch_size)]
        widened = int(beyond.sum()) - displaced
        return Draws(drawn[:, 0], drawn[:, 1], drawn[:, 2], widened, displaced)

    def _fill(
        self, generator: np.random.Generator, images: NDArray[np.int64], room: NDArray[np.int64]
    ) -> list[tuple[int, int, int]]:
        room = room.copy()
        accepted: list[tuple[int, int, int]] = []
        while room.any():
            image = int(images[generator.integers(images.size)])
            position = int(generator.integers(self._index.windows[image]))
            interval = int(np.searchsorted(self._index.thresholds, self._measure(image, position), side='right'))
            if room[interval]:
                room[interval] -= 1
                accepted.append((image, position, interval))
        return accepted
