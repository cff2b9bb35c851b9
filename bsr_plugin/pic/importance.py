"""Importance sampling of the intervals: another distribution, with weights that keep the expected loss unchanged.

Uniform sampling draws interval k with a probability pi_k, and its batches have the mean loss l of the data set in
expectation. Drawing the interval with a probability q_k instead, and multiplying the loss by pi_k / q_k, leaves that
expectation, and that of the gradient, as it was for any q, as long as windows of an interval stay equally likely as
under uniform sampling. The variance of the estimate is least for q_k proportional to pi_k sqrt(E[l^2 | k]).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from bsr_plugin.errors import InputError, is_number
from bsr_plugin.pic.balanced import BalancedSampler
from bsr_plugin.pic.dist_info import SINGLE_PROCESS, DistInfo
from bsr_plugin.pic.draws import Draws
from bsr_plugin.pic.index import PICIndex


@dataclass(frozen=True)
class ImportanceRule:
    """How far the distribution may go from uniform sampling.

    Attributes:
        uniform_share: Part of uniform sampling in the distribution, above 0 and up to 1: q_k is never below this times
            pi_k, and no weight above 1 / ``uniform_share`` (a defensive mixture).
        max_weight: Weights are clipped to this, at least 1; ``None`` does not clip. Where it clips, the expected loss
            is no longer that of uniform sampling.

    Raises:
        InputError: A value is out of range.
    """

    uniform_share: float = 0.2
    max_weight: float | None = None

    def __post_init__(self) -> None:
        if not is_number(self.uniform_share) or not 0 < self.uniform_share <= 1:
            raise InputError(
                f'pic_importance has uniform_share {self.uniform_share}: use a number above 0, such as '
                f'{ImportanceRule.uniform_share}, up to 1.'
            )
        if self.max_weight is not None and (not is_number(self.max_weight) or self.max_weight < 1):
            raise InputError(
                f'pic_importance has max_weight {self.max_weight}: use a number of at least 1, or ~ for no clipping.'
            )

    def probabilities(self, uniform: NDArray[np.float64], losses: NDArray[np.float64]) -> NDArray[np.float64]:
        """The distribution q for given losses.

        Args:
            uniform: (p,) probabilities pi of uniform sampling.
            losses: (p,) root mean square of the losses of an interval, up to a common factor. Intervals without one,
                NaN, are taken to have the mean of the others; without any, or if all are 0, it is ``uniform``.

        Returns:
            (p,) probabilities, which sum to 1 as ``uniform`` does; 0 where that is.
        """
        known = np.isfinite(losses) & (uniform > 0)
        expected = uniform[known] @ losses[known]
        if not expected > 0:
            return uniform.copy()
        asked = uniform * np.where(known, losses, expected / uniform[known].sum())
        mixed: NDArray[np.float64] = (1 - self.uniform_share) * asked / asked.sum() + self.uniform_share * uniform
        return mixed

    def weights(self, uniform: NDArray[np.float64], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """(p,) weights pi / q, clipped to ``max_weight``; 1 for an interval that is never drawn."""
        weights = np.divide(uniform, probabilities, out=np.ones_like(uniform), where=probabilities > 0)
        return weights if self.max_weight is None else np.minimum(weights, self.max_weight)


class Importance:
    """The current distribution and its weights: a balance by losses, the same for all batches until these change.

    At first it is that of uniform sampling. Worker processes share it with the process that started them, also
    those that go on from epoch to epoch: it is to be changed between epochs, when no batch is being drawn.

    Args:
        index: PIC index of the LR images.
        rule: How far it may go from uniform sampling.
    """

    def __init__(self, index: PICIndex, rule: ImportanceRule):
        self._rule = rule
        self._uniform = index.probabilities
        # (2, p) distribution and weights, in a tensor: PyTorch's workers share it however they are started, and would
        # get a copy of a NumPy array.
        self._current = torch.ones(2, self._uniform.size, dtype=torch.float64).share_memory_()
        self._current.numpy()[0] = self._uniform
        self._changes = torch.zeros(1, dtype=torch.int64).share_memory_()

    @property
    def bins(self) -> int:
        """Number of intervals p."""
        return self._uniform.size

    def use(self, losses: NDArray[np.float64]) -> None:
        """Takes the distribution for (p,) root-mean-square losses; see :meth:`ImportanceRule.probabilities`."""
        probabilities = self._rule.probabilities(self._uniform, losses)
        self._current.numpy()[:] = probabilities, self._rule.weights(self._uniform, probabilities)
        self._changes += 1

    @property
    def changes(self) -> int:
        """How often the distribution was updated."""
        return int(self._changes)

    def probabilities(self, batch_index: int = 0) -> NDArray[np.float64]:
        """(p,) probability of each interval; ``batch_index`` plays no part."""
        return self._current.numpy()[0]

    @property
    def weights(self) -> NDArray[np.float64]:
        """(p,) weight of the loss of a patch from each interval."""
        return self._current.numpy()[1]


class ImportanceSampler:
    """``importance``: quotas by importance, images and windows as ``rfs`` has them with all images as candidates.

    All images, because among few candidates the windows of a rare interval would not be equally likely as under uniform
    sampling, and the weights would be wrong.

    Args:
        index: PIC index of the LR images.
        rule: How far the distribution may go from uniform sampling.
        job: The rank that draws.
    """

    def __init__(self, index: PICIndex, rule: ImportanceRule, job: DistInfo = SINGLE_PROCESS):
        self.importance = Importance(index, rule)
        self._balanced = BalancedSampler(index, self.importance, 'all', job=job)

    @property
    def version(self) -> int:
        """Another number for another distribution."""
        return self.importance.changes

    def draw(self, generator: np.random.Generator, batch_size: int, batch_index: int) -> Draws:
        """The windows of batch ``batch_index``, and their weights."""
        return self.draw_several([generator], batch_size, [batch_index])[0]

    def draw_several(
        self, generators: Sequence[np.random.Generator], batch_size: int, batch_indices: Sequence[int]
    ) -> list[Draws]:
        """The windows of the batches ``batch_indices``, and their weights."""
        weights = self.importance.weights
        drawn = self._balanced.draw_several(generators, batch_size, batch_indices)
        return [replace(draws, weights=weights.take(draws.intervals)) for draws in drawn]
