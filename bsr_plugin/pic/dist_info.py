"""Several processes that draw one joint batch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DistInfo:
    """Which of the processes that train together one is.

    Attributes:
        rank: Its rank, from 0.
        world_size: Number of processes W.
    """

    rank: int = 0
    world_size: int = 1


SINGLE_PROCESS = DistInfo()
