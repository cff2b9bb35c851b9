"""How strongly batches are balanced: the probability of every interval, batch by batch.

Uniform sampling draws interval k with a probability pi_k; random filter sampling draws all p intervals equally often.
In between lies q_k proportional to pi_k^(1 - t): the strength t is 0 for the one and 1 for the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bsr_plugin.errors import InputError, is_number
from bsr_plugin.pic.index import PICIndex

_SCHEDULE = ('from', 'to', 'between')

#: A strength changes in so many steps, or with every batch where there are fewer: what a step needs is computed once.
_STEPS = 1000


class Balance(Protocol):
    """What a batch is balanced by; it may be anything that the index of the batch alone decides."""

    def probabilities(self, batch_index: int) -> NDArray[np.float64]:
        """(p,) probability of each interval in batch ``batch_index``; they sum to 1."""


@dataclass(frozen=True)
class BalanceRule:
    """The strength t of balancing, constant or linear in the index of the batch, in a thousand steps or more.

    Attributes:
        start: Strength until the first of ``between``, 0 to 1.
        end: Strength from the second of ``between`` on, 0 to 1.
        between: Ordinals of the batches, which are the iterations, between which the strength changes.

    A strength above 1 has no meaning: the rarer an interval, the more patches it would get, without bound, so that a
    handful of windows would fill the batch, and one that no image has would have to fill all of it.

    Raises:
        InputError: A strength is not from 0 to 1, or the batch indices do not increase.
    """

    start: float = 1.0
    end: float = 1.0
    between: tuple[int, int] = (0, 1)

    def __post_init__(self) -> None:
        for strength in (self.start, self.end):
            if not is_number(strength) or not 0 <= strength <= 1:
                raise InputError(f'pic_balance is {strength}: use a number from 0 (uniform) to 1 (rfs).')
        if not all(is_number(at) and at == int(at) >= 0 for at in self.between) or self.between[0] >= self.between[1]:
            raise InputError(
                f'pic_balance is between {list(self.between)}: give two iterations, the earlier one first.'
            )

    @classmethod
    def from_option(cls, option: Any) -> 'BalanceRule':
        """The rule of the option ``pic_balance``: a number, or ``{from: 0.0, to: 1.0, between: [0, 20000]}``."""
        if not isinstance(option, Mapping):
            return cls(option, option)
        if set(option) != set(_SCHEDULE):
            raise InputError(f'pic_balance has {", ".join(map(str, option))}: give a number, or from, to and between.')
        between = option['between']
        if not isinstance(between, list | tuple) or len(between) != 2:
            raise InputError(f'pic_balance is between {between}: give two iterations, the earlier one first.')
        return cls(option['from'], option['to'], tuple(between))

    def strength(self, batch_index: int) -> float:
        """Strength t of batch ``batch_index``."""
        first, last = self.between
        passed = min(max(batch_index - first, 0), last - first)
        if passed < last - first:
            passed -= passed % max(1, int(last - first) // _STEPS)
        return self.start + passed / (last - first) * (self.end - self.start)

    def of(self, index: PICIndex) -> Balance:
        """The rule applied to a data set."""
        if self.start == self.end:
            return _Constant(_tempered(index.probabilities.tobytes(), self.start))
        return _Annealed(self, index.probabilities.tobytes())


@dataclass(frozen=True)
class _Constant:
    values: NDArray[np.float64]

    def probabilities(self, batch_index: int) -> NDArray[np.float64]:
        """The same for every batch."""
        return self.values


@dataclass(frozen=True)
class _Annealed:
    rule: BalanceRule
    uniform: bytes

    def probabilities(self, batch_index: int) -> NDArray[np.float64]:
        """Those of the strength that the batch has."""
        return _tempered(self.uniform, self.rule.strength(batch_index))


@lru_cache(maxsize=64)
def _tempered(uniform: bytes, strength: float) -> NDArray[np.float64]:
    """Probabilities proportional to those of uniform sampling to the power 1 - t, read-only.

    At t = 1 an interval that no image has counts like the others (0^0 is 1), and its patches come from its neighbour.
    """
    powers = np.ones(len(uniform) // 8) if strength == 1 else np.frombuffer(uniform) ** (1 - strength)
    normed: NDArray[np.float64] = powers / powers.sum()
    normed.setflags(write=False)
    return normed
