"""How batches reach the training loop: in turn, from a thread that keeps some ready, or over a CUDA stream."""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import count, takewhile
from typing import Any

import torch
from basicsr.data.prefetch_dataloader import PrefetchDataLoader
from torch import Tensor
from torch.utils.data import DataLoader

from bsr_plugin.data.uint8_images import UInt8Images
from bsr_plugin.models.stopping import ignore_stop_signals, stop_signals_blocked
from bsr_plugin.parallel import ordered_map
from bsr_plugin.toolbox.sampler import ResumableSampler

Batch = dict[str, Any]


@dataclass(frozen=True)
class IgnoringStopSignals:
    """A ``worker_init_fn`` for workers that outlive the signal that stops the training; calls the toolbox's first."""

    stock: Callable[[int], None] | None

    def __call__(self, worker_id: int) -> None:
        """Sets up the worker that it is called in."""
        if self.stock is not None:
            self.stock(worker_id)
        ignore_stop_signals()


class CPUPrefetcher:
    """Gives the batches of one epoch after the other.

    With ``prefetch_mode: cpu`` a thread keeps ``num_prefetch_queue`` batches ready. An exception of the data set is
    raised by :meth:`next`, and again whenever it is asked again. Worker processes are started with SIGTERM and Ctrl-C
    held back, so that they outlive the signal that stops the training until its last step is finished.

    Every batch says with ``position`` (numbers of ``Position``) where the run is once it has been trained on.

    Args:
        loader: The loader; nothing is drawn from it before the first :meth:`reset`.
    """

    def __init__(self, loader: DataLoader[Any]) -> None:
        # Both or neither: a worker that is started with SIGTERM held back and never takes it could not be ended.
        loader.worker_init_fn = IgnoringStopSignals(loader.worker_init_fn)
        self._loader = loader
        self._batches: Iterator[Any] = iter(())
        self._given = 0
        self._error: BaseException | None = None

    def reset(self) -> None:
        """Begins an epoch; what is left of the one before is abandoned."""
        if isinstance(self._batches, Generator):
            self._batches.close()
        self._given, self._error = 0, None
        sampler = self._loader.sampler
        if isinstance(sampler, ResumableSampler) and not len(sampler):
            # Workers that are ended while they start complain of what they no longer find.
            self._batches = iter(())
            return
        with stop_signals_blocked():
            if isinstance(self._loader, PrefetchDataLoader):
                self._batches = _kept_ready(DataLoader.__iter__(self._loader), self._loader.num_prefetch_queue)
            else:
                self._batches = iter(self._loader)

    def next(self) -> Batch | None:
        """The next batch, or ``None`` at the end of the epoch."""
        if self._error is not None:
            raise self._error
        try:
            batch = next(self._batches, None)
        except Exception as error:
            self._error = error
            raise
        if batch is None:
            return None
        self._given += 1
        sampler = self._loader.sampler
        if isinstance(sampler, ResumableSampler):
            batch['position'] = sampler.position_after(self._given).as_state()
        return batch


def _kept_ready(batches: Iterator[Any], number: int) -> Generator[Any, None, None]:
    """The batches, of which a thread keeps ``number`` ready."""
    with closing(ordered_map(lambda _: next(batches, None), count(), workers=1, ahead=number + 1)) as ready:
        yield from takewhile(lambda batch: batch is not None, ready)


class CUDAPrefetcher(CPUPrefetcher):
    """Copies the next batch to the GPU while the one before is being trained on; without a GPU a ``CPUPrefetcher``.

    The copy runs on a stream of its own, from pinned memory (``pin_memory: true``). 8-bit images become floats on it,
    and images channels_last if BSRModel is asked for that. The training stream waits for the copy, and the memory of a
    batch is not used again before the training stream is done with it.
    """

    def __init__(self, loader: DataLoader[Any], opt: dict[str, Any]) -> None:
        super().__init__(loader)
        self._on_gpu = opt['num_gpu'] != 0 and torch.cuda.is_available()
        channels_last = opt.get('model_type') == 'BSRModel' and opt['train'].get('channels_last')
        self._layout = torch.channels_last if channels_last else torch.contiguous_format
        self._copied: Batch | None = None
        if self._on_gpu:
            self._stream = torch.cuda.Stream()

    def reset(self) -> None:
        """Begins an epoch, and the copy of its first batch."""
        super().reset()
        if self._on_gpu:
            self._copied = self._copy_next()

    def next(self) -> Batch | None:
        """The next batch, its tensors on the GPU, or ``None`` at the end of the epoch."""
        if not self._on_gpu:
            return super().next()
        batch = self._copied
        if batch is None:
            # The data set's exception, if there was one, comes after the batches before it.
            return super().next() if self._error is not None else None
        training = torch.cuda.current_stream()
        training.wait_stream(self._stream)
        for value in batch.values():
            if isinstance(value, Tensor):
                # The allocator must not give this memory to a later copy while the training stream still reads it.
                value.record_stream(training)
        self._copied = self._copy_next()
        return batch

    def _copy_next(self) -> Batch | None:
        try:
            batch = super().next()
        except Exception:
            return None
        if batch is None:
            return None
        with torch.cuda.stream(self._stream):
            return {key: self._copy(value) for key, value in batch.items()}

    def _copy(self, value: Any) -> Any:
        if not isinstance(value, Tensor | UInt8Images):
            return value
        copy = value.to('cuda', non_blocking=True)
        return copy.contiguous(memory_format=self._layout) if copy.dim() == 4 else copy
