"""Where a run is in its stream of patches, and how the toolbox's sampler hands that stream out.

A rank's patches are numbered 0, 1, 2, ... over the whole run; epochs are pieces of that stream. A resumed run goes on
at the number it had reached, inside the epoch it was in.

BasicSR's ``EnlargedSampler`` hands out image indices, which do not tell a data set which batch of the run is asked
for, and a resumed run begins its epoch again. :func:`number_patches` lets a data set that draws its own patches give
the sampler its numbers instead, and notes how far a resumed run had come. Other data sets are sampled as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from basicsr.data.data_sampler import EnlargedSampler
    from basicsr.models.base_model import BaseModel


@dataclass(frozen=True)
class _Progress:
    iterations: int = 0
    patches_per_iteration: int = 1


_progress = _Progress()


def resume_at(iterations: int, patches_per_iteration: int = 1) -> None:
    """Tells the stream how far this rank was; called before the first batch is drawn.

    Args:
        iterations: Iterations that the run has seen.
        patches_per_iteration: Patches of one iteration that the rank's loader draws.
    """
    global _progress  # one process trains one run: its place in the stream is the process's
    _progress = _Progress(iterations, patches_per_iteration)


def epoch_positions(epoch: int, patches_per_epoch: int) -> range:
    """Numbers of the patches that are still to be drawn in an epoch.

    Args:
        epoch: Counted from 0.
        patches_per_epoch: Per rank. What is left of them behind the last whole batch is never trained on.

    Returns:
        The epoch's piece of the stream, without what a run had seen of it before it was resumed.
    """
    start, size = epoch * patches_per_epoch, _progress.patches_per_iteration
    batches = patches_per_epoch // size
    seen = min(max(0, _progress.iterations - epoch * batches), batches) * size
    return range(start + seen, start + patches_per_epoch)


def number_patches() -> None:
    """Makes the toolbox's sampler ask data sets that offer ``epoch_positions``; a second call changes nothing."""
    # Not at the top: the toolbox's import registers the data set, which needs this module whole.
    from basicsr.data.data_sampler import EnlargedSampler
    from basicsr.models.base_model import BaseModel

    if getattr(EnlargedSampler, 'numbers_patches', False):
        return
    EnlargedSampler.numbers_patches = True
    EnlargedSampler.__init__ = _asking_for_length(EnlargedSampler.__init__)
    EnlargedSampler.__iter__ = _asking_for_positions(EnlargedSampler.__iter__)
    BaseModel.resume_training = _noting_progress(BaseModel.resume_training)


def _asking_for_length(stock: Callable[..., None]) -> Callable[..., None]:
    @wraps(stock)
    def init(self: EnlargedSampler, dataset: Any, *args: Any, **kwargs: Any) -> None:
        stock(self, dataset, *args, **kwargs)
        if hasattr(dataset, 'epoch_length'):
            self.num_samples = dataset.epoch_length(self.num_samples)
            self.total_size = self.num_samples * self.num_replicas

    return init


def _asking_for_positions(stock: Callable[..., Iterator[int]]) -> Callable[..., Iterator[int]]:
    @wraps(stock)
    def iterate(self: EnlargedSampler) -> Iterator[int]:
        if hasattr(self.dataset, 'epoch_positions'):
            return iter(self.dataset.epoch_positions(self.epoch, self.num_samples))
        return stock(self)

    return iterate


def _noting_progress(stock: Callable[..., None]) -> Callable[..., None]:
    @wraps(stock)
    def resume_training(self: BaseModel, resume_state: dict[str, Any]) -> None:
        stock(self, resume_state)
        # Without a launcher, one process draws the batches of all its GPUs.
        processes = 1 if self.opt.get('dist') else max(1, self.opt.get('num_gpu', 1))
        per_gpu = self.opt.get('datasets', {}).get('train', {}).get('batch_size_per_gpu', 1)
        resume_at(int(resume_state['iter']), int(per_gpu) * processes)

    return resume_training
