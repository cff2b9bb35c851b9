"""The options that BSRModel reads beyond SRModel's, section by section; all of them may be left out.

Left at their defaults, the arithmetic is SRModel's. The schema of option files takes its keys from here.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from bsr_plugin.errors import InputError

Options = Mapping[str, Any]
Problem = tuple[tuple[str | int, ...], str]

_Count = Annotated[int, Field(ge=1)]
_LARGEST_OVERLAP = 32


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, use_attribute_docstrings=True)


class EngineTraining(_Part):
    """What BSRModel reads in `train` besides; SRModel ignores it."""

    amp: Literal['bf16', 'fp16'] | None = None
    """Mixed precision: the type that autocast computes in; fp16 scales the loss. ~ trains in float32. Validation is in
    float32."""
    channels_last: bool = False
    """Memory format of weights and images: channels_last (NHWC), which most processors convolve faster."""
    compile: bool = False
    """Whether to train through torch.compile, where that is possible."""
    fused: bool = False
    """Whether to use the fused implementation of the optimizer, which updates all weights in one kernel."""
    accumulate: _Count = 1
    """Gradient accumulation: number of micro-batches a batch is split into, to need less memory. The gradient is that
    of the whole batch."""
    grad_clip: Annotated[float, Field(gt=0, strict=False)] | None = None
    """Clipping of the global gradient norm: the largest norm allowed; ~ does not clip."""


class EngineValidation(_Part):
    """What BSRModel reads in `val` besides; SRModel ignores it."""

    tile: _Count | None = None
    """Side of the tiles that an image is cut into, in LR pixels, which bounds the memory; ~ takes an image whole as
    long as it fits."""
    tile_overlap: Annotated[int, Field(ge=0)] | None = None
    """LR pixels by which a tile reaches into its neighbours, on each side; less than half a tile. ~ is 32, or a quarter
    of a small tile."""
    self_ensemble: bool = False
    """Whether to average the results over the image's 8 flips and rotations, which takes 8 times as long."""

    @field_validator('tile_overlap')
    @classmethod
    def _leaves_something(cls, overlap: int | None, info: ValidationInfo) -> int | None:
        tile = info.data.get('tile')
        if tile and overlap and 2 * overlap >= tile:
            raise ValueError(f'{overlap} on each side leaves nothing of a tile of {tile}')
        return overlap


class EngineLogging(_Part):
    """What BSRModel reads in `logger` besides; SRModel ignores it."""

    keep_checkpoints: _Count | None = None
    """Number of checkpoints to keep, the newest ones; ~ keeps all."""
    keep_best: str | None = None
    """A name in `val.metrics`: the weights that are best by it on the first validation set are kept besides, as
    `net_g_best.pth`."""


_SECTIONS: dict[str, type[_Part]] = {'train': EngineTraining, 'val': EngineValidation, 'logger': EngineLogging}


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
        given = {section: opt.get(section) or {} for section in _SECTIONS}
        where = {key: section for section, part in _SECTIONS.items() for key in part.model_fields}
        try:
            options = cls(**{key: given[section][key] for key, section in where.items() if key in given[section]})
        except ValidationError as error:
            first = error.errors()[0]
            key, message = str(first['loc'][0]), first['msg'].removeprefix('Value error, ')
            raise InputError(f'{where[key]}.{key}: {message.replace("Input", repr(first["input"]))}') from None
        for rule in RULES:
            for path, sentence in rule(opt):
                raise InputError(f'{".".join(map(str, path))}: {sentence}')
        return options


def _micro_batches(opt: Options) -> Iterator[Problem]:
    """`accumulate` divides `batch_size_per_gpu`."""
    batch, parts = at(opt, 'datasets', 'train', 'batch_size_per_gpu'), at(opt, 'train', 'accumulate')
    if isinstance(batch, int) and isinstance(parts, int) and parts > 0 and batch % parts:
        yield ('train', 'accumulate'), f'{parts} does not divide batch_size_per_gpu {batch}'


def _best(opt: Options) -> Iterator[Problem]:
    """`keep_best` is a name in `val.metrics`, and there is a validation set."""
    best, metrics = at(opt, 'logger', 'keep_best'), at(opt, 'val', 'metrics') or {}
    if isinstance(best, str) and isinstance(metrics, Mapping) and best not in metrics:
        listing = f'; there are {", ".join(metrics)}' if metrics else ', which has none'
        yield ('logger', 'keep_best'), f'{best!r} is not a metric in val.metrics{listing}'
    elif isinstance(best, str) and not any(key.startswith('val') for key in at(opt, 'datasets') or ()):
        yield ('logger', 'keep_best'), 'needs a validation set, datasets.val'


#: What must fit together; each rule reads the options as they are, right or wrong.
RULES = (_micro_batches, _best)


def at(opt: Any, *keys: str) -> Any:
    """The value at a path of keys, or ``None`` where there is none."""
    for key in keys:
        opt = opt.get(key) if isinstance(opt, Mapping) else None
    return opt
