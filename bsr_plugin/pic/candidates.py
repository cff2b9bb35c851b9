"""The candidate images of a batch, and which of them serves which place in it."""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from bsr_plugin.pic.index import PICIndex
from bsr_plugin.pic.whole_set import WholeSet

#: How a candidate is chosen for an interval.
ImageChoice = Literal['share', 'spread']

#: Candidate of a place whose interval no candidate has.
NO_CANDIDATE = -1

#: Up to so many images it is faster to look at all of them than to guess.
_FEW = 64

#: Number of candidates M, all images, or by default as many as the batch has patches, that of all ranks together.
CandidateNumber = int | Literal['all'] | None


def number_of_candidates(asked: CandidateNumber, batch_size: int, usable: int) -> int:
    """How many of the ``usable`` images are candidates."""
    return usable if asked == 'all' else min(asked or batch_size, usable)


def choose_candidates(generator: np.random.Generator, usable: NDArray[np.int64], number: int) -> NDArray[np.int64]:
    """M different images at random, in random order."""
    return generator.choice(usable, number, replace=False)


def spread_images(
    generator: np.random.Generator, usable: NDArray[np.int64], asked: CandidateNumber, batch_size: int
) -> NDArray[np.int64]:
    """(N,) the candidates in turn, in random order: as many different images as a batch can have."""
    number = number_of_candidates(asked, batch_size, usable.size)
    return np.resize(choose_candidates(generator, usable, min(number, batch_size)), batch_size)


class Choice(Protocol):
    """Gives every place in batches its image."""

    def images(
        self,
        generators: Sequence[np.random.Generator],
        candidates: NDArray[np.int64] | None,
        intervals: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """An image for every place.

        Args:
            generators: The random numbers of each of K batches.
            candidates: (K, M) the candidate images of each; ``None`` for the whole data set.
            intervals: (K, N) interval of every place; one that some image has, if there are no candidates to lack it.

        Returns:
            (K, N) images that have windows in these intervals, :data:`NO_CANDIDATE` where no candidate does.
        """


class ShareChoice:
    """``share``: a candidate with probability proportional to the share of its windows in the interval.

    This is what accepting and rejecting random crops of the candidates comes to (paper, Table 1).
    """

    def __init__(self, index: PICIndex, whole: WholeSet):
        self._index = index
        self._whole = whole

    def images(
        self,
        generators: Sequence[np.random.Generator],
        candidates: NDArray[np.int64] | None,
        intervals: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """An image for every place; see :class:`Choice`."""
        which = np.array([generator.random(intervals.shape[1]) for generator in generators])
        if candidates is None:
            return self._whole.pick(intervals.ravel(), which.ravel()).reshape(intervals.shape)
        # (K, M, N) cumulative share of each place's interval over the candidates.
        cells = candidates[:, :, None] * self._index.bins + intervals[:, None, :]
        shares = np.add.accumulate(self._index.shares.take(cells), axis=1)
        total = shares[:, -1]
        places = (shares > (which * total)[:, None, :]).argmax(axis=1)
        found = np.take_along_axis(candidates, places, axis=1)
        if not total.all():
            found[total == 0] = NO_CANDIDATE
        return found


class SpreadChoice:
    """``spread``: the places of a batch go to as many different candidates as can serve them.

    From the rarest interval of the data set to the commonest, each place goes to the candidate that has the interval
    and was used least in this batch, ties at random.
    """

    def __init__(self, index: PICIndex, whole: WholeSet):
        self._index = index
        self._whole = whole

    def images(
        self,
        generators: Sequence[np.random.Generator],
        candidates: NDArray[np.int64] | None,
        intervals: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """An image for every place; see :class:`Choice`."""
        rarest_first = self._index.probabilities.take(intervals).argsort(axis=1, kind='stable')
        ordered = np.take_along_axis(intervals, rarest_first, axis=1).tolist()
        if candidates is None and self._index.usable.size <= _FEW:
            candidates = np.broadcast_to(self._index.usable, (len(generators), self._index.usable.size))
        if candidates is None:
            both = zip(generators, ordered, strict=True)
            chosen = np.array([_spread_over_all(generator, self._whole, own) for generator, own in both])
        else:
            places = np.array(self._places(generators, candidates, ordered))
            chosen = np.where(places == NO_CANDIDATE, NO_CANDIDATE, np.take_along_axis(candidates, places, axis=1))
        found = np.empty_like(intervals)
        np.put_along_axis(found, rarest_first, chosen, axis=1)
        return found

    def _places(
        self, generators: Sequence[np.random.Generator], candidates: NDArray[np.int64], intervals: list[list[int]]
    ) -> list[list[int]]:
        """For the intervals of each batch, in this order, which of its candidates serve them."""
        # (K, p, M) whether a candidate has windows in an interval, eight candidates to a byte.
        has = np.packbits(self._index.counts.take(candidates, axis=0).swapaxes(1, 2) > 0, axis=2, bitorder='little')
        size, number = has.shape[2], candidates.shape[1]
        return [
            _spread(octets, size, number, own, generator.random(len(own)).tolist())
            for octets, own, generator in zip(map(bytes, has), intervals, generators, strict=True)
        ]


def _spread(octets: bytes, size: int, candidates: int, intervals: list[int], which: list[float]) -> list[int]:
    """For each interval in turn a candidate that has it, of those that were used least.

    Args:
        octets: For each interval so many bytes, whose bits, the lowest first, say whether a candidate has it.
        size: The number of these bytes.
        candidates: Number of candidates M.
        intervals: Intervals to serve, one after the other.
        which: A number from 0 to 1 for each of them, which chooses among candidates that were used alike.

    Returns:
        Positions of candidates; :data:`NO_CANDIDATE` for an interval that none has.
    """
    # Sets of candidates as bits of integers: those that have each interval, and those that were used 0, 1, ... times.
    having = {k: int.from_bytes(octets[k * size : (k + 1) * size], 'little') for k in set(intervals)}
    used = [(1 << candidates) - 1]
    chosen = []
    for interval, number in zip(intervals, which, strict=True):
        times = 0
        while times < len(used) and not used[times] & having[interval]:
            times += 1
        if times == len(used):
            chosen.append(NO_CANDIDATE)
            continue
        tied = used[times] & having[interval]
        for _ in range(int(number * tied.bit_count())):
            tied &= tied - 1
        one = tied & -tied
        chosen.append(one.bit_length() - 1)
        used[times] ^= one
        if times + 1 == len(used):
            used.append(0)
        used[times + 1] |= one
    return chosen


def _spread_over_all(generator: np.random.Generator, whole: WholeSet, intervals: list[int]) -> list[int]:
    """The same over the whole data set, whose number of images costs nothing; gives the images."""
    used: dict[int, int] = {}
    chosen = []
    for interval in intervals:
        image = _least_used(generator, whole.having(interval), used)
        used[image] = used.get(image, 0) + 1
        chosen.append(image)
    return chosen


def _least_used(generator: np.random.Generator, images: NDArray[np.int64], used: Mapping[int, int]) -> int:
    """One of the images that were used least, each with the same probability."""
    # Where most are unused, a guess finds one of them in two tries on average, without looking at all.
    while images.size > 2 * len(used):
        image = int(images[int(generator.random() * images.size)])
        if image not in used:
            return image
    times = np.array([used.get(image, 0) for image in images.tolist()])
    tied = images[times == times.min()]
    return int(tied[int(generator.random() * tied.size)])
