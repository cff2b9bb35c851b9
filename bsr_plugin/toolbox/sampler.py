"""The sampler of a training run: it knows where the run is, so that the run ends when it should and resumes exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from basicsr.data.data_sampler import EnlargedSampler

from bsr_plugin.errors import InputError


@dataclass(frozen=True)
class Position:
    """How far a run is in its data.

    Attributes:
        iteration: Iterations that are done.
        epoch: The epoch of the last of them, counted from 0.
        batches: Batches of that epoch that are done.
        patches: Patches that each rank has drawn since the run began.
        batch_size: Patches that a rank draws for an iteration.
        world_size: Number of ranks.
        batches_per_epoch: Batches of a whole epoch.
    """

    iteration: int = 0
    epoch: int = 0
    batches: int = 0
    patches: int = 0
    batch_size: int = 1
    world_size: int = 1
    batches_per_epoch: int = 1

    @classmethod
    def of_state(cls, state: Mapping[str, Any], fresh: Position) -> Position:
        """Where a training state was saved.

        SRModel's states have ``iter`` and ``epoch`` alone: they are taken to have been saved with the batch and the
        ranks of ``fresh``, the beginning of the run that resumes from them.
        """
        if 'position' in state:
            return cls(**state['position'])
        iteration, epoch = int(state['iter']), int(state['epoch'])
        batches = iteration - epoch * fresh.batches_per_epoch
        known = 0 <= batches <= fresh.batches_per_epoch
        patches = iteration * fresh.batch_size
        return replace(fresh, iteration=iteration, epoch=epoch, batches=batches if known else 0, patches=patches)

    def continued_by(self, fresh: Position) -> Position:
        """The same place for a run with the batch and the ranks of ``fresh``.

        The iteration stays. The epoch goes on where the same share of it is done, and a rank's stream of patches
        after the last patch it has drawn; both are rounded up to whole batches, so that nothing is drawn twice.
        """
        batches = _ceil(self.batches * fresh.batches_per_epoch, self.batches_per_epoch)
        patches = _ceil(self.patches, fresh.batch_size) * fresh.batch_size
        return replace(fresh, iteration=self.iteration, epoch=self.epoch, batches=batches, patches=patches)

    def as_state(self) -> dict[str, int]:
        """Plain numbers, for a training state."""
        return asdict(self)

    def geometry(self) -> str:
        """Batch and ranks in words."""
        ranks = f'{self.world_size} rank{"s" if self.world_size > 1 else ""}'
        return f'{ranks}, batch size {self.batch_size} per rank, {self.batches_per_epoch} iterations per epoch'


class ResumableSampler(EnlargedSampler):
    """BasicSR's ``EnlargedSampler`` in whole batches, from where the run is to its last iteration.

    Data sets are shuffled as ``EnlargedSampler`` shuffles them, and what is left of an epoch after its last whole
    batch is left out, as its loader does. A data set that draws its own patches (``numbers_patches``) is given the
    numbers of this rank's stream of patches instead, consecutive over the whole run, with as many batches in an epoch
    as the toolbox counts on; its ``begin_epoch(numbers, batch_size)`` is called before each epoch, and by :meth:`plan`
    its ``begin_run(offset)`` with what is to be added to a batch's place in that stream to give its iteration.

    The arguments are those of ``EnlargedSampler``. Until :meth:`plan` is called, batches are single samples and the run
    has no end.

    Raises:
        InputError: The data set is empty.
    """

    def __init__(self, dataset: Any, num_replicas: int, rank: int, ratio: int = 1) -> None:
        if not len(dataset):
            raise InputError('datasets.train has no image: correct its dataroot_gt or dataroot_lq.')
        super().__init__(dataset, num_replicas, rank, ratio)
        self._numbered = bool(getattr(dataset, 'numbers_patches', False))
        self._total: int | None = None
        self.start = self._fresh(1)
        #: Called with each epoch before it begins.
        self.before_epoch: Callable[[int], None] | None = None

    def plan(self, batch_size: int, total_iter: int, state: Mapping[str, Any] | None = None) -> str | None:
        """Tells the sampler what it samples for; called before the first batch is drawn.

        Args:
            batch_size: Samples that the rank's loader puts into a batch.
            total_iter: The run's last iteration.
            state: The training state that the run resumes from, ``None`` for a new run.

        Returns:
            One sentence where the run goes on with another batch or other ranks than before, else ``None``.

        Raises:
            InputError: An epoch has not a single whole batch, or the state is past the last iteration.
        """
        fresh = self._fresh(batch_size)
        if not fresh.batches_per_epoch:
            needed = _ceil(batch_size * self.num_replicas, len(self.dataset))
            ranks = f' on each of {self.num_replicas} ranks' if self.num_replicas > 1 else ''
            raise InputError(
                f'datasets.train has {len(self.dataset)} images, less than one batch of {batch_size}{ranks}: set '
                f'dataset_enlarge_ratio to {needed} or more.'
            )
        before = fresh if state is None else Position.of_state(state, fresh)
        if before.iteration > total_iter:
            raise InputError(
                f'The training state is of iteration {before.iteration}, past train.total_iter {total_iter}: raise '
                'total_iter, or resume from an older state.'
            )
        self._total, self.start = total_iter, before.continued_by(fresh)
        if self._numbered and hasattr(self.dataset, 'begin_run'):
            self.dataset.begin_run(self.start.iteration - self.start.patches // batch_size)
        same = before.geometry() == fresh.geometry()
        return None if same else f'Resuming with {fresh.geometry()}; previously {before.geometry()}.'

    @property
    def epochs(self) -> int:
        """Epochs until the last iteration, those before :attr:`start` included."""
        assert self._total is not None
        left = self._total - self.start.iteration + self.start.batches
        return self.start.epoch + _ceil(left, self.start.batches_per_epoch)

    def position_after(self, batches: int) -> Position:
        """Where the run is when ``batches`` batches of this epoch have been trained on since the sampler was asked."""
        first = self._first()
        done = self._done() + batches
        patches = self.start.patches + (done - self.start.iteration) * self.start.batch_size
        return replace(self.start, iteration=done, epoch=self.epoch, batches=first + batches, patches=patches)

    def set_epoch(self, epoch: int) -> None:
        """Begins an epoch, counted from 0."""
        super().set_epoch(epoch)
        if self.before_epoch is not None and len(self):  # the loop ends with an epoch of nothing where the last is cut
            self.before_epoch(epoch)
        if self._numbered and hasattr(self.dataset, 'begin_epoch'):
            self.dataset.begin_epoch(self._numbers(), self.start.batch_size)

    def __iter__(self) -> Iterator[int]:
        """The indices, or the numbers, of this epoch that are still to be drawn."""
        if self._numbered:
            return iter(self._numbers())
        first = self._first() * self.start.batch_size
        return iter(list(super().__iter__())[first : first + len(self)])

    def __len__(self) -> int:
        """Number of samples of this epoch that are still to be drawn."""
        batches = self.start.batches_per_epoch - self._first()
        if self._total is not None:
            batches = min(batches, max(0, self._total - self._done()))
        return batches * self.start.batch_size

    def _numbers(self) -> range:
        """The numbers of the patches of this epoch that are still to be drawn."""
        number = self.position_after(0).patches
        return range(number, number + len(self))

    def _fresh(self, batch_size: int) -> Position:
        """The beginning of a run."""
        whole = _ceil(self.num_samples, batch_size) if self._numbered else self.num_samples // batch_size
        return Position(batch_size=batch_size, world_size=self.num_replicas, batches_per_epoch=whole)

    def _first(self) -> int:
        """Batches of this epoch that were done before the run was resumed."""
        return self.start.batches if self.epoch == self.start.epoch else 0

    def _done(self) -> int:
        """Iterations that are done when this epoch begins, or is resumed."""
        start, epochs = self.start, self.epoch - self.start.epoch
        return start.iteration if epochs <= 0 else start.iteration - start.batches + epochs * start.batches_per_epoch


def _ceil(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)
