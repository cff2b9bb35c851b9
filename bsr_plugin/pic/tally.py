"""What an epoch draws, interval by interval: patches, different windows, different images."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bsr_plugin.pic.draws import Draws

#: Intervals in a row of the table.
_COLUMNS = 16


@dataclass(frozen=True)
class Tally:
    """How often windows and images were drawn.

    Attributes:
        patches: (p,) patches drawn from an interval.
        windows: (p,) different windows among them: fewer than patches where windows were repeated.
        images: (p,) different images among them.
        widened: Patches from outside their candidate images.
        displaced: Patches from the nearest interval, theirs being empty.
        probabilities: (p,) what an interval was drawn with, for the table; ``None`` leaves it out.
    """

    patches: NDArray[np.int64]
    windows: NDArray[np.int64]
    images: NDArray[np.int64]
    widened: int = 0
    displaced: int = 0
    probabilities: NDArray[np.float64] | None = None

    def __str__(self) -> str:
        """A table, sixteen intervals side by side."""
        bins = self.patches.size
        rows: dict[str, Sequence[str]] = {'interval': [str(number) for number in range(bins)]}
        if self.probabilities is not None:
            rows['percent'] = [f'{100 * probability:.2f}' for probability in self.probabilities]
        rows |= {name: [*map(str, getattr(self, name))] for name in ('patches', 'windows', 'images')}
        width = max(len(number) for numbers in rows.values() for number in numbers) + 1
        lines = [
            f'{name:8}' + ''.join(f'{number:>{width}}' for number in numbers[start : start + _COLUMNS])
            for start in range(0, bins, _COLUMNS)
            for name, numbers in rows.items()
        ]
        return '\n'.join(lines)


def tally(batches: Iterable[Draws], bins: int, probabilities: NDArray[np.float64] | None = None) -> Tally:
    """Counts what batches draw.

    Args:
        batches: The batches.
        bins: Number of intervals p.
        probabilities: (p,) what an interval is drawn with, if that is to be in the table.
    """
    drawn = list(batches)
    if not drawn:
        nothing: NDArray[np.int64] = np.zeros(bins, np.int64)
        return Tally(nothing, nothing, nothing, probabilities=probabilities)
    images, positions, intervals = (
        np.concatenate([getattr(each, name) for each in drawn]) for name in ('images', 'positions', 'intervals')
    )
    # A window lies in one interval; an image may serve several.
    windows = np.unique(np.stack([intervals, images, positions]), axis=1)[0]
    serving = np.unique(np.stack([intervals, images]), axis=1)[0]
    patches, different, used = (np.bincount(each, minlength=bins) for each in (intervals, windows, serving))
    return Tally(
        patches,
        different,
        used,
        widened=sum(each.widened for each in drawn),
        displaced=sum(each.displaced for each in drawn),
        probabilities=probabilities,
    )
