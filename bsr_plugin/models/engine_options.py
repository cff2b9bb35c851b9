"""The options that BSRModel reads beyond SRModel's, section by section; all of them may be left out.

Left at their defaults, the arithmetic is SRModel's. The schema of option files takes its keys from here.
"""

from collections.abc import Iterator, Mapping
from inspect import signature
from typing import Any, Literal

import torch
from pydantic import ValidationInfo, field_validator

from bsr_plugin.errors import InputError
from bsr_plugin.schema.section import Section
from bsr_plugin.schema.values import Count, CountOrZero, Positive
from bsr_plugin.schema.wording import line

Options = Mapping[str, Any]
Problem = tuple[tuple[str | int, ...], str]

_LARGEST_OVERLAP = 32


class EngineTraining(Section):
    """Additional options that BSRModel reads in `train`; SRModel ignores them."""

    amp: Literal['bf16', 'fp16'] | None = None
    """Automatic mixed precision: the dtype that autocast uses; fp16 also uses a gradient scaler. ~ trains in float32.
    Validation is in float32."""
    channels_last: bool = False
    """Memory format of weights and images: channels_last (NHWC), which most processors convolve faster."""
    compile: bool = False
    """Whether to compile the network with torch.compile; training falls back to eager mode if that fails."""
    fused: bool = False
    """Whether to use the fused implementation of the optimizer, which updates all weights in one kernel; Adam, AdamW
    and SGD have one."""
    accumulate: Count = 1
    """Gradient accumulation: number of micro-batches per batch, to save memory. The gradient equals that of the whole
    batch except for operations that depend on the whole batch: batch normalization, and a perceptual loss with
    `criterion: fro`."""
    grad_clip: Positive | None = None
    """Clipping of the global gradient norm: the largest norm allowed; ~ does not clip."""
    deterministic: bool = False
    """Whether to use deterministic algorithms only: the same bits every time on the same kind of GPU, perhaps slower.
    On the CPU they always are, for one number of threads."""


class EngineValidation(Section):
    """Additional options that BSRModel reads in `val`; SRModel ignores them."""

    tile: Count | None = None
    """Side of the tiles that an image is cut into, in LR pixels, which bounds the memory; ~ takes an image whole as
    long as it fits."""
    tile_overlap: CountOrZero | None = None
    """LR pixels by which adjacent tiles overlap, on each side; less than half a tile. ~ is 32, or a quarter
    of a small tile."""
    multiple_of: Count | None = None
    """Images are padded by reflection until their sides are multiples of this number of LR pixels, and results cropped
    again; tiles are rounded down to it. ~ asks the network: `window_size` of SwinIR, HAT and others, 2 for RRDBNet x2;
    networks without one are given images as they are, as with 1."""
    tb_images: CountOrZero = 0
    """For training: how many images of each validation set TensorBoard shows at every validation, each as bicubic
    interpolation, result and HR image side by side."""
    self_ensemble: bool = False
    """Whether to average the results over the image's 8 flips and rotations, which takes 8 times as long."""

    @field_validator('tile_overlap')
    @classmethod
    def _leaves_something(cls, overlap: int | None, info: ValidationInfo) -> int | None:
        tile = info.data.get('tile')
        if tile and overlap and 2 * overlap >= tile:
            raise InputError(f'{overlap} on each side leaves nothing of a tile of {tile}')
        return overlap


class EngineLogging(Section):
    """Additional options that BSRModel reads in `logger`; SRModel ignores them."""

    keep_checkpoints: Count | None = None
    """Number of checkpoints to keep, the newest ones; ~ keeps all."""
    tb_intervals: bool = False
    """Whether TensorBoard shows, at every validation, the share of each PIC interval among the patches trained on since
    the one before, and their mean pixel loss. It costs one more evaluation of the loss, on the device."""
    keep_best: str | None = None
    """A name in `val.metrics`: the weights that are best by it on the first validation set are kept besides, as
    `net_g_best.pth`."""


_SECTIONS: dict[str, type[Section]] = {'train': EngineTraining, 'val': EngineValidation, 'logger': EngineLogging}


class EngineOptions(EngineTraining, EngineValidation, EngineLogging):
    """How fast, in what parts and with which safety nets to train and validate."""

    @property
    def overlap(self) -> int:
        """``tile_overlap``, or where there is none one that goes with the tile."""
        if self.tile_overlap is not None:
            return self.tile_overlap
        return _LARGEST_OVERLAP if self.tile is None else min(_LARGEST_OVERLAP, self.tile // 4)

    @classmethod
    def from_options(cls, opt: Options) -> 'EngineOptions':
        """Reads the sections ``train``, ``val`` and ``logger`` of an option file, for training or test.

        Raises:
            InputError: A value is out of its range or contradicts another.
        """
        parts = [part.read(opt.get(section) or {}, section) for section, part in _SECTIONS.items()]
        for rule in RULES:
            for path, sentence in rule(opt):
                raise InputError(line(path, sentence))
        return cls(**{key: value for part in parts for key, value in part})


def _micro_batches(opt: Options) -> Iterator[Problem]:
    """`accumulate` divides `batch_size_per_gpu`."""
    batch, parts = at(opt, 'datasets', 'train', 'batch_size_per_gpu'), at(opt, 'train', 'accumulate')
    if isinstance(batch, int) and isinstance(parts, int) and parts > 0 and batch % parts:
        yield ('train', 'accumulate'), f'{parts} does not divide batch_size_per_gpu {batch}'


def _fused(opt: Options) -> Iterator[Problem]:
    """`fused: true` goes with an optimizer that has a fused implementation."""
    name = at(opt, 'train', 'optim_g', 'type')
    kind = getattr(torch.optim, name, None) if isinstance(name, str) else None
    if at(opt, 'train', 'fused') is True and kind and 'fused' not in signature(kind).parameters:
        yield ('train', 'fused'), f'must be false: {name} has no fused implementation'


def _best(opt: Options) -> Iterator[Problem]:
    """`keep_best` is a name in `val.metrics`, and there is a validation set."""
    best, metrics = at(opt, 'logger', 'keep_best'), at(opt, 'val', 'metrics') or {}
    if isinstance(best, str) and isinstance(metrics, Mapping) and best not in metrics:
        listing = f'; there are {", ".join(metrics)}' if metrics else ', which has none'
        yield ('logger', 'keep_best'), f'{best!r} is not a metric in val.metrics{listing}'
    elif isinstance(best, str) and not any(key.startswith('val') for key in at(opt, 'datasets') or ()):
        yield ('logger', 'keep_best'), 'needs a validation set, datasets.val'


def _tensorboard(opt: Options) -> Iterator[Problem]:
    """`tb_images` and `tb_intervals` go with `use_tb_logger: true`, and `tb_intervals` with RFSPairedImageDataset."""
    for section, key in (('val', 'tb_images'), ('logger', 'tb_intervals')):
        if at(opt, section, key) and isinstance(at(opt, 'logger'), Mapping) and not at(opt, 'logger', 'use_tb_logger'):
            yield ('logger', 'use_tb_logger'), f'must be true with {section}.{key}'
    kind = at(opt, 'datasets', 'train', 'type')
    if at(opt, 'logger', 'tb_intervals') and kind not in (None, 'RFSPairedImageDataset'):
        yield ('logger', 'tb_intervals'), f'{kind} does not say which PIC interval a patch is from'


#: What must fit together; each rule reads the options as they are, right or wrong.
RULES = (_micro_batches, _fused, _best, _tensorboard)


def at(opt: Any, *keys: str) -> Any:
    """The value at a path of keys, or ``None`` where there is none."""
    for key in keys:
        opt = opt.get(key) if isinstance(opt, Mapping) else None
    return opt
