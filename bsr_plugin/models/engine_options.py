"""The options that BSRModel reads beyond SRModel's; all of them may be left out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bsr_plugin.errors import InputError

AMP_CHOICES = ('bf16', 'fp16')


@dataclass(frozen=True)
class EngineOptions:
    """How fast, in what parts and with which safety nets to train and validate.

    Left at their defaults, the arithmetic is SRModel's.

    Attributes:
        amp: Type of mixed precision, ``'bf16'`` or ``'fp16'``; ``None`` trains in float32. Validation is in float32.
        channels_last: Whether weights and images lie in memory with the channels next to each other.
        compile: Whether to train through ``torch.compile``.
        accumulate: Number of equal parts that a batch is worked through in. The gradients are those of the whole
            batch, the memory that of one part.
        grad_clip: Largest norm of all gradients together; ``None`` leaves them as they are.
        fused: Whether the optimizer updates all weights in one kernel.
        tile: Side of the tiles in validation and test, LR pixels; ``None`` takes an image whole as long as it fits.
        tile_overlap: LR pixels by which a tile reaches into its neighbour's part, on each side.
        self_ensemble: Whether results are averaged over the eight flips and rotations.
        keep_checkpoints: Number of the newest pairs of weights and state to keep; ``None`` keeps all.
        keep_best: Metric by whose value on the first validation set ``net_g_best.pth`` is kept; ``None`` keeps none.
    """

    amp: str | None = None
    channels_last: bool = False
    compile: bool = False
    accumulate: int = 1
    grad_clip: float | None = None
    fused: bool = False
    tile: int | None = None
    tile_overlap: int = 32
    self_ensemble: bool = False
    keep_checkpoints: int | None = None
    keep_best: str | None = None

    @classmethod
    def from_options(cls, opt: Mapping[str, Any]) -> 'EngineOptions':
        """Reads the sections ``train``, ``val`` and ``logger`` of an option file, for training or test.

        Raises:
            InputError: A value is out of its range or contradicts another.
        """
        train, val, log = (opt.get(section) or {} for section in ('train', 'val', 'logger'))
        options = cls(
            amp=train.get('amp'),
            channels_last=bool(train.get('channels_last', False)),
            compile=bool(train.get('compile', False)),
            accumulate=train.get('accumulate') or 1,
            grad_clip=train.get('grad_clip'),
            fused=bool(train.get('fused', False)),
            tile=val.get('tile'),
            tile_overlap=_tile_overlap(val),
            self_ensemble=bool(val.get('self_ensemble', False)),
            keep_checkpoints=log.get('keep_checkpoints'),
            keep_best=log.get('keep_best'),
        )
        options._check(opt)
        return options

    def _check(self, opt: Mapping[str, Any]) -> None:
        train_set = (opt.get('datasets') or {}).get('train') or {}
        batch = train_set.get('batch_size_per_gpu')
        metrics = (opt.get('val') or {}).get('metrics') or {}
        if self.amp is not None and self.amp not in AMP_CHOICES:
            raise InputError(f'train.amp is {self.amp!r}: use bf16, fp16 or ~')
        if self.accumulate < 1:
            raise InputError(f'train.accumulate is {self.accumulate}: use 1 or more parts')
        if batch is not None and batch % self.accumulate:
            raise InputError(f'train.accumulate is {self.accumulate}, which does not divide a batch of {batch} patches')
        if self.grad_clip is not None and not self.grad_clip > 0:
            raise InputError(f'train.grad_clip is {self.grad_clip}: use a number above 0, or ~ for no limit')
        if self.tile is not None and not 0 <= 2 * self.tile_overlap < self.tile:
            raise InputError(f'val.tile_overlap {self.tile_overlap} is not less than half of val.tile, {self.tile}')
        if self.keep_checkpoints is not None and self.keep_checkpoints < 1:
            raise InputError(f'logger.keep_checkpoints is {self.keep_checkpoints}: use 1 or more, or ~ to keep all')
        if self.keep_best is not None and self.keep_best not in metrics:
            known = ', '.join(metrics) or 'none'
            raise InputError(f'logger.keep_best is {self.keep_best!r}, which is none of val.metrics ({known})')


def _tile_overlap(val: Mapping[str, Any]) -> int:
    """The overlap asked for, or one that goes with the tile."""
    overlap, tile = val.get('tile_overlap'), val.get('tile')
    if overlap is not None:
        return overlap
    return EngineOptions.tile_overlap if tile is None else min(EngineOptions.tile_overlap, tile // 4)
