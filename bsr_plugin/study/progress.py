"""How far a study is, and how long it will still take."""

import sys
import time
from collections.abc import Sequence

from tqdm import tqdm

from bsr_plugin.study.folder import CellFolder

#: Seconds from one line to the next where there is no terminal.
_LINE_SECONDS = 60.0


class Progress:
    """A bar over the iterations of all runs; where stderr is not a terminal, a line now and then.

    Args:
        folders: All runs.
    """

    def __init__(self, folders: Sequence[CellFolder]) -> None:
        self._done = {folder.path for folder in folders if folder.is_done()}
        self._reached = {folder.path: _iteration(folder) for folder in folders}
        self._total = sum(folder.cell.iterations for folder in folders)
        self._begun, self._at_begin = time.monotonic(), self._sum
        self._next_line = self._begun + _LINE_SECONDS
        self._bar = tqdm(
            total=self._total, initial=self._at_begin, desc='study', unit='it', smoothing=0, disable=None,
            dynamic_ncols=True,
        )  # fmt: skip

    @property
    def _sum(self) -> int:
        return sum(self._reached.values())

    def reached(self, folder: CellFolder, iteration: int) -> None:
        """Notes how far a run is."""
        self._reached[folder.path] = max(self._reached[folder.path], min(iteration, folder.cell.iterations))

    def done(self, folder: CellFolder) -> None:
        """Tells that a run is done."""
        self._reached[folder.path] = folder.cell.iterations
        self._done.add(folder.path)
        self._tell(f'{folder.cell.label}: done')

    def failed(self, folder: CellFolder, sentence: str) -> None:
        """Tells that a run failed; what it lacks is no longer to be done."""
        self._total -= folder.cell.iterations - self._reached[folder.path]
        self._bar.total = self._total
        self._tell(sentence)

    def show(self) -> None:
        """Moves the bar, or prints a line if it is time for one."""
        if not self._bar.disable:
            self._bar.update(self._sum - self._bar.n)
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + _LINE_SECONDS
            print(self.line(time.monotonic() - self._begun), file=sys.stderr, flush=True)

    def line(self, seconds: float) -> str:
        """Where the study stands.

        Args:
            seconds: Since it began.
        """
        rate = (self._sum - self._at_begin) / seconds if seconds else 0
        left = f', about {tqdm.format_interval((self._total - self._sum) / rate)} left' if rate else ''
        runs = f'{len(self._done)} of {len(self._reached)} runs done'
        return f'{self._sum:,} of {self._total:,} iterations, {runs}{left}'

    def close(self) -> None:
        """Leaves the bar as it is."""
        self._bar.close()

    def _tell(self, sentence: str) -> None:
        self._bar.write(sentence, file=sys.stderr)
        sys.stderr.flush()


def _iteration(folder: CellFolder) -> int:
    return folder.cell.iterations if folder.record() is not None else folder.iteration()
