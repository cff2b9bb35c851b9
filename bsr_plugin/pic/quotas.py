"""How many patches of a batch each interval gets: whole numbers whose running means are given probabilities.

With C_k the batch size times the cumulative probability of the intervals up to k, and a phase u in [0, 1) of the batch,
interval k gets ``floor(C_k + u) - floor(C_(k-1) + u)`` patches: systematic sampling. The numbers sum to the batch size
and each is less than one away from its expectation. The phases of batches 0, 1, 2, ... are spread evenly, so that over
many batches nothing is left of the rounding. Where W ranks draw a part each of a joint batch with phase u, the phases
``(u + r) / W`` of the parts r = 0, ..., W - 1 make their numbers add up to those of the joint batch: that is Hermite's
identity, floor(x) + floor(x + 1/W) + ... + floor(x + (W - 1)/W) = floor(W x).
"""

from bisect import bisect_left
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bsr_plugin.pic.dist_info import SINGLE_PROCESS, DistInfo

#: 2^64 divided by the golden ratio, rounded to an odd number.
_GOLDEN = 11400714819323198485
#: Closer than this to a whole number, a pW-th part of a patch is taken to be whole: cumulative sums are rounded.
_WHOLE = 1e-6


def quotas(
    probabilities: NDArray[np.float64], batch_size: int, batch_index: int, job: DistInfo = SINGLE_PROCESS
) -> NDArray[np.int64]:
    """Patches per interval in one batch.

    The phase of batch b is ``((b mod p) + f) / p``, f being the fractional part of ``floor(b / p)`` times the golden
    ratio; that is the phase of a joint batch, of which the ranks take the parts in another order every p batches. Where
    the C_k are multiples of 1/p, as equal probabilities make them, p consecutive batches of all ranks together give
    every interval exactly its share (Hermite's identity again). For any probabilities the numbers after B batches are
    off by a few patches, of order p + log B, and their means by that divided by B.

    Args:
        probabilities: (p,) probability of every interval, up to a common factor.
        batch_size: Number of patches N of the rank.
        batch_index: Number b of the batch, counted from 0.
        job: The rank; with those of the others, its numbers add up to those of one rank with the joint batch.

    Returns:
        (p,) numbers that sum to N, read-only; each differs by less than 1 from N times its probability.
    """
    return _rounded(*_rounding(probabilities, batch_size, batch_index, job))


def places(
    probabilities: NDArray[np.float64], batch_size: int, batch_index: int, job: DistInfo = SINGLE_PROCESS
) -> NDArray[np.int64]:
    """The interval of every place in one batch, as :func:`quotas` has them.

    Returns:
        (N,) intervals, ascending, read-only.
    """
    return _repeated(*_rounding(probabilities, batch_size, batch_index, job))


def _rounding(
    probabilities: NDArray[np.float64], batch_size: int, batch_index: int, job: DistInfo
) -> tuple[bytes, int, int, int, int]:
    """All that decides how a batch is rounded: of a thousand batches most are rounded like one before."""
    intervals = probabilities.size
    round_number, turn = divmod(batch_index, intervals)
    fraction = golden_fraction(round_number)
    part = (job.rank + round_number) % job.world_size
    packed, units = probabilities.tobytes(), intervals * job.world_size
    rests = _cumulative(packed, batch_size, units)[2]
    first_to_carry = bisect_left(rests, True, key=lambda rest: rest + fraction >= 1)
    return packed, batch_size, units, turn + part * intervals, first_to_carry


@lru_cache(maxsize=1024)
def _rounded(packed: bytes, batch_size: int, units: int, turn: int, first_to_carry: int) -> NDArray[np.int64]:
    """The quotas of a turn, the remainders from this one on, in ascending order, being carried."""
    whole, rest, ascending = _cumulative(packed, batch_size, units)
    carried = rest >= (ascending[first_to_carry] if first_to_carry < len(ascending) else 1)
    # floor(C_k + u) is pW * C_k + (b mod p) + pr + f divided by pW and rounded down, and needs no fractions but two.
    ends: NDArray[np.int64] = (whole + carried + turn) // units
    ends[1:] -= ends[:-1]
    ends.setflags(write=False)
    return ends


@lru_cache(maxsize=1024)
def _repeated(packed: bytes, batch_size: int, units: int, turn: int, first_to_carry: int) -> NDArray[np.int64]:
    """The intervals of a turn, each as often as its quota says."""
    room = _rounded(packed, batch_size, units, turn, first_to_carry)
    intervals = np.arange(room.size).repeat(room)
    intervals.setflags(write=False)
    return intervals


@lru_cache(maxsize=64)
def _cumulative(
    packed: bytes, batch_size: int, units: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], list[float]]:
    """Products pW * C_k for every interval, as whole numbers and remainders, and the remainders in ascending order."""
    sums = np.frombuffer(packed).cumsum()
    total = batch_size * units
    scaled = sums * (total / sums[-1])
    whole = np.floor(scaled + _WHOLE)
    rest = scaled - whole
    rest[rest < _WHOLE] = 0
    whole[-1], rest[-1] = total, 0
    return whole.astype(np.int64), rest, sorted(rest.tolist())


def golden_fraction(number: int) -> float:
    """Fractional part of ``number`` times the golden ratio, the most even sequence in [0, 1); exact for any number."""
    return ((number * _GOLDEN % 2**64) >> 11) / 2**53
