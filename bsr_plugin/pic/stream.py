"""The stream of a rank's batches, drawn several at a time: for eight of them NumPy takes little longer than for one."""

from collections.abc import Sequence

import numpy as np

from bsr_plugin.pic.draws import Draws, Sampler, VectorizedSampler, batch_generator

#: Batches that are drawn at a time.
_LOOKAHEAD = 8


class DrawStream:
    """The batches of a rank by their numbers, in any order.

    While numbers come at equal distances, as a worker process gets them, the next ones are drawn ahead. That changes
    nothing but the time that a batch takes: each is what its own generator gives, by the distribution that holds when
    it is asked for.

    Args:
        sampler: Draws the windows.
        seed: Seed of the run.
        rank: Rank of the process.
    """

    def __init__(self, sampler: Sampler, seed: int, rank: int):
        self._sampler = sampler
        self._vectorized = sampler if isinstance(sampler, VectorizedSampler) else None
        self._seed, self._rank = seed, rank
        self._ahead: dict[tuple[int, int], tuple[Draws, np.random.Generator]] = {}
        self._last = self._step = self._version = self._offset = 0

    def begin_run(self, offset: int) -> None:
        """Adds ``offset`` to the indices of all batches.

        A run that goes on with another batch has done more or fewer iterations than its patches would be batches now.
        """
        self._offset, self._ahead = offset, {}

    def batch(self, number: int, size: int) -> tuple[Draws, np.random.Generator]:
        """The windows of a batch, and its generator with the random numbers that are left of it.

        Args:
            number: Number of patches that the rank drew before this batch.
            size: Patches in it.
        """
        step, before = number - self._last, self._step
        self._last, self._step = number, step
        if self._is_outdated() or (number, size) not in self._ahead:
            lookahead = _LOOKAHEAD if step == before > 0 and self._vectorized else 1
            self._ahead = self._drawn([number + step * k for k in range(lookahead)], size)
        return self._ahead.pop((number, size))

    def _is_outdated(self) -> bool:
        before = self._version
        self._version = self._vectorized.version if self._vectorized else 0
        return self._version != before

    def _drawn(self, numbers: Sequence[int], size: int) -> dict[tuple[int, int], tuple[Draws, np.random.Generator]]:
        generators = [batch_generator(self._seed, self._rank, number) for number in numbers]
        batch_indices = [number // size + self._offset for number in numbers]
        if self._vectorized:
            drawn = self._vectorized.draw_several(generators, size, batch_indices)
        else:
            drawn = [self._sampler.draw(generators[0], size, batch_indices[0])]
        pairs = zip(drawn, generators, strict=True)
        return {(number, size): pair for number, pair in zip(numbers, pairs, strict=True)}
