"""What a sampler gives, and the random numbers it gives it from.

A batch is a pure function of (seed, rank, number): every batch has its own counter-based generator, and nothing is
carried from one batch to the next.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

#: PIC sum of the window at raster position ``p`` of image ``i``, measured from its pixels: ``measure(i, p)``.
MeasureWindow = Callable[[int, int], int]


@dataclass(frozen=True)
class Draws:
    """The windows of one batch, in random order.

    Attributes:
        images: (N,) position of the image in the store.
        positions: (N,) raster position of the window within the image.
        intervals: (N,) interval of the window's PIC, or of another score that the index was built for.
        widened: Windows that no candidate image could give, drawn from the whole data set.
        displaced: Windows of an interval that no image has, drawn from the nearest interval that has any.
        weights: (N,) what the loss of a patch is to be multiplied by; ``None`` where patches count alike.
    """

    images: NDArray[np.int64]
    positions: NDArray[np.int64]
    intervals: NDArray[np.int64]
    widened: int = 0
    displaced: int = 0
    weights: NDArray[np.float64] | None = None


class Sampler(Protocol):
    """Draws the windows of a batch."""

    def draw(self, generator: np.random.Generator, batch_size: int, batch_index: int) -> Draws:
        """The windows of batch ``batch_index``, counted from 0."""


@runtime_checkable
class VectorizedSampler(Sampler, Protocol):
    """A sampler that draws several batches at once, also ahead of time, as it tells when they would be others."""

    @property
    def version(self) -> int:
        """Another number than before when batches that were drawn ahead are to be drawn anew."""

    def draw_several(
        self, generators: Sequence[np.random.Generator], batch_size: int, batch_indices: Sequence[int]
    ) -> list[Draws]:
        """What :meth:`draw` gives for each generator and batch index, in less time."""


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
