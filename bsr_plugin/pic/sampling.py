"""Random filter sampling (RFS): which windows make up a batch (paper, section III-B, Table 1).

Table 1 crops windows at random and accepts them while their interval has room. Read as "one of the M candidate images
at random, one of its windows at random", the accepted windows of an interval are independent draws of an image with
probability proportional to the share of its windows that lie in the interval, then of one of these windows
uniformly. :class:`BalancedSampler` draws from that law directly; :class:`RejectionSampler` runs the loop itself.

A batch is a pure function of (seed, rank, position): every batch has its own counter-based generator, and nothing is
carried from one batch to the next.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal, NamedTuple, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from bsr_plugin.errors import InputError
from bsr_plugin.pic.index import PICIndex

Sampling = Literal['rfs', 'uniform', 'rejection']

#: PIC sum of the window at raster position ``p`` of image ``i``, measured from its pixels: ``measure(i, p)``.
MeasureWindow = Callable[[int, int], int]


@dataclass(frozen=True)
class Draws:
    """The windows of one batch, in random order.

    Attributes:
        images: (N,) position of the image in the store.
        positions: (N,) raster position of the window within the image.
        intervals: (N,) interval of the window's PIC.
        widened: Windows that no candidate image could give, drawn from the whole data set.
        displaced: Windows of an interval that no image has, drawn from the nearest interval that has any.
    """

    images: NDArray[np.int64]
    positions: NDArray[np.int64]
    intervals: NDArray[np.int64]
    widened: int = 0
    displaced: int = 0


class Sampler(Protocol):
    """Draws the windows of a batch."""

    def draw(self, generator: np.random.Generator, batch_size: int, ordinal: int) -> Draws:
        """The windows of the batch with this ordinal."""


def batch_generator(seed: int, rank: int, position: int) -> np.random.Generator:
    """The random numbers of one batch (NumPy's counter-based Philox).

    Args:
        seed: Seed of the run.
        rank: Rank of the process; ranks never share numbers.
        position: Number of patches the rank drew before this batch; batches never share numbers.
    """
    key = np.array([seed, rank], np.uint64)
    # The position is the counter's most significant word: 2^192 numbers lie between two batches.
    return np.random.Generator(np.random.Philox(key=key, counter=np.array([0, 0, 0, position], np.uint64)))


def quotas(batch_size: int, bins: int, ordinal: int) -> NDArray[np.int64]:
    """Patches per interval in one batch: equal but for a remainder that rotates with the batch.

    Over ``bins`` consecutive batches every interval gets the same number.

    Returns:
        (bins,) numbers that sum to ``batch_size`` and differ by at most one.
    """
    base, extra = divmod(batch_size, bins)
    room = np.full(bins, base, np.int64)
    if extra:
        room[(ordinal * extra + np.arange(extra)) % bins] += 1
    return room


def choose_candidates(generator: np.random.Generator, usable: NDArray[np.int64], number: int) -> NDArray[np.int64]:
    """M different images at random, or all of them in random order if there are no more."""
    return generator.choice(usable, min(number, usable.size), replace=False)


def make_sampler(
    kind: Sampling, index: PICIndex, num_candidates: int | None, measure: MeasureWindow
) -> 'BalancedSampler | UniformSampler | RejectionSampler':
    """The sampler an option names.

    Args:
        kind: ``rfs``, ``uniform`` or ``rejection``.
        index: PIC index of the LR images.
        num_candidates: M; ``None`` for the batch size.
        measure: Measures a window from its pixels; used by ``rejection`` alone.

    Raises:
        InputError: An unknown kind, or fewer than one candidate.
    """
    if num_candidates is not None and num_candidates < 1:
        raise InputError(f'num_candidates is {num_candidates}: use 1 or more, or ~ for the batch size.')
    if kind == 'rfs':
        return BalancedSampler(index, num_candidates)
    if kind == 'uniform':
        return UniformSampler(index, num_candidates)
    if kind == 'rejection':
        return RejectionSampler(index, num_candidates, measure)
    raise InputError(f"sampling is '{kind}': use {', '.join(get_args(Sampling))}.")


class UniformSampler:
    """Every patch from a random image, uniformly among its windows: what toolboxes do.

    Patches come from the candidates in turn, so a batch sees as many different images as it can.
    """

    def __init__(self, index: PICIndex, num_candidates: int | None):
        self._index = index
        self._candidates = num_candidates

    def draw(self, generator: np.random.Generator, batch_size: int, ordinal: int) -> Draws:
        """The windows of one batch; ``ordinal`` plays no part."""
        candidates = choose_candidates(generator, self._index.usable, self._candidates or batch_size)
        images = np.resize(candidates, batch_size)
        positions = (generator.random(batch_size) * self._index.windows[images]).astype(np.int64)
        return Draws(images, positions, self._index.intervals_at(images, positions))


class _Feasibility:
    """Which interval a place in the batch is really filled from, and from which images.

    Shared by the exact sampler and the loop, which would otherwise never end on an empty interval.
    """

    def __init__(self, index: PICIndex):
        self._index = index
        self._everywhere: dict[int, _Everywhere] = {}

    def nearest(self, interval: int) -> int:
        """The interval itself if any image has it, else the nearest one that some image has, the lower on a tie."""
        return int(self._nearest[interval])

    @cached_property
    def _nearest(self) -> NDArray[np.int64]:
        occupied = np.flatnonzero(self._index.counts.any(axis=0))
        distance = np.abs(np.arange(self._index.bins)[:, None] - occupied[None, :])
        return occupied[distance.argmin(axis=1)]

    def everywhere(self, interval: int) -> '_Everywhere':
        """All images that have the interval, or the nearest one that any has."""
        found = self._everywhere.get(interval)
        if found is None:
            nearest = self.nearest(interval)
            images = np.flatnonzero(self._index.counts[:, nearest])
            found = _Everywhere(nearest, images, self._index.shares[images, nearest].cumsum())
            self._everywhere[interval] = found
        return found


class _Everywhere(NamedTuple):
    """The images of the whole data set that have an interval."""

    interval: int
    images: NDArray[np.int64]
    cumulative: NDArray[np.float64]
    """Their cumulative probabilities, up to a factor."""

    def pick(self, which: float) -> int:
        """The image at a place from 0 to 1 among the probabilities."""
        target = which * self.cumulative[-1]
        return int(self.images[self.cumulative[:-1].searchsorted(target, side='right')])


@lru_cache(maxsize=1024)
def _ordered_places(batch_size: int, bins: int, turn: int) -> NDArray[np.int64]:
    """The interval of every place of a batch, in order; ``turn`` is the batch's ordinal modulo ``bins``."""
    return np.arange(bins).repeat(quotas(batch_size, bins, turn))


class BalancedSampler:
    """``rfs``: exact interval quotas, the law of the accept-and-reject loop, no rejections."""

    def __init__(self, index: PICIndex, num_candidates: int | None):
        self._index = index
        self._candidates = num_candidates
        self._feasibility = _Feasibility(index)

    def draw(self, generator: np.random.Generator, batch_size: int, ordinal: int) -> Draws:
        """The windows of the batch with this ordinal, which decides where the remainder of the quotas goes."""
        index = self._index
        candidates = choose_candidates(generator, index.usable, self._candidates or batch_size)
        intervals = generator.permutation(_ordered_places(batch_size, index.bins, ordinal % index.bins))
        which_image, which_window = generator.random((2, batch_size))
        # (M, N) cumulative share of each place's interval over the candidates.
        shares = np.add.accumulate(index.shares.take(candidates, axis=0).take(intervals, axis=1), axis=0)
        total = shares[-1]
        images = candidates.take((shares > which_image * total).argmax(axis=0))
        widened = displaced = 0
        for place in () if total.all() else (total == 0).nonzero()[0].tolist():
            everywhere = self._feasibility.everywhere(int(intervals[place]))
            moved = everywhere.interval != intervals[place]
            widened, displaced = widened + (not moved), displaced + moved
            intervals[place], images[place] = everywhere.interval, everywhere.pick(which_image[place])
        ranks = (which_window * index.counts[images, intervals]).astype(np.int64)
        return Draws(images, index.select(images, intervals, ranks), intervals, widened, displaced)


class RejectionSampler:
    """``rejection``: Table 1 to the letter, the oracle of tests and benchmarks.

    Windows are cropped at random and measured from their pixels until every interval has its quota. Only where the
    loop would never end, because no candidate has an interval, are all images candidates for that interval.
    """

    def __init__(self, index: PICIndex, num_candidates: int | None, measure: MeasureWindow):
        self._index = index
        self._candidates = num_candidates
        self._measure = measure
        self._feasibility = _Feasibility(index)

    def draw(self, generator: np.random.Generator, batch_size: int, ordinal: int) -> Draws:
        """The windows of the batch with this ordinal."""
        index = self._index
        candidates = choose_candidates(generator, index.usable, self._candidates or batch_size)
        room = quotas(batch_size, index.bins, ordinal)
        at_hand = index.counts[candidates].any(axis=0)
        beyond = np.zeros_like(room)
        displaced = 0
        for interval in np.flatnonzero((room > 0) & ~at_hand).tolist():
            target = self._feasibility.nearest(interval)
            displaced += int(room[interval]) * (target != interval)
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
