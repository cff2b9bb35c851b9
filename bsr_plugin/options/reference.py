"""The option reference, ``docs/options.md``, written from the schema alone."""

import inspect
import types
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from bsr_plugin.models import engine_options as engine
from bsr_plugin.options import datasets, run, training, validation
from bsr_plugin.options.classes import section_of
from bsr_plugin.options.contradictions import RULES
from bsr_plugin.options.section import Section
from bsr_plugin.options.wording import spelt

_INTRODUCTION = """\
# Option reference

Written from the schema by `bsr options > docs/options.md`.

An option file is checked as a whole before a run creates anything, and every problem is reported at once, each on its
line: the key, what is wrong, and what was perhaps meant. `bsr options FILE` does the same without starting a run;
`--force_yml train:ema_decay=0.999` on the command line of a run goes through the same check. `1e-4` and `5e3` are
numbers. `~` is nothing. Paths are relative to the current folder.

A key without a default must be given. Networks, losses, metrics, optimizers (those of `torch.optim` that the installed
BasicSR builds) and schedulers take their arguments as keys, which are checked against their signatures; other data sets
and models than those below look up keys of their own. A key that nothing reads and that does no harm, such as
`use_shuffle` of earlier versions of BasicSR, is ignored with a warning.
"""

_EVALUATION = '`datasets.val`, `datasets.test_1`, ..., type'


def _sections() -> tuple[tuple[str, type[BaseModel], type[BaseModel] | None], ...]:
    """Heading, schema, and the one whose fields are left out because another section has them."""
    return (
        ('The file', run.Run, None),
        ('The file, for training', run.TrainingRun, run.Run),
        ('The file, for a test', run.TestRun, run.Run),
        ('`datasets.train`, type `RFSPairedImageDataset`', datasets.RFSTrainingPairs, None),
        ('`datasets.train`, type `PairedImageDataset`', datasets.StockTrainingPairs, None),
        (f'{_EVALUATION} `PairedImageDataset`', datasets.StockPairs, None),
        (f'{_EVALUATION} `RFSPairedImageDataset`', datasets.RFSPairs, None),
        (f'{_EVALUATION} `SRBenchmarkDataset`', datasets.BenchmarkSet, None),
        ('`datasets.*.io_backend`', datasets.IoBackend, None),
        ('`network_g`, type `BSRNet`', section_of('network', 'BSRNet'), None),
        ('`path`', run.TrainingPaths, None),
        ('`train`', training.Train, engine.EngineTraining),
        ('`train`, for BSRModel', engine.EngineTraining, None),
        ('`train.optim_g`, type `Adam`', section_of('optimizer', 'Adam'), None),
        ('`train.scheduler`, type `MultiStepLR`', section_of('scheduler', 'MultiStepLR'), None),
        (
            '`train.scheduler`, type `CosineAnnealingRestartLR`',
            section_of('scheduler', 'CosineAnnealingRestartLR'),
            None,
        ),
        ('`train.pixel_opt`, type `HybridL1L2LpLoss`', section_of('loss', 'HybridL1L2LpLoss'), None),
        ('`val`', validation.Validation, engine.EngineValidation),
        ('`val`, for BSRModel', engine.EngineValidation, None),
        ('`val.metrics.*`, PSNR and SSIM', section_of('metric', 'calculate_psnr'), None),
        ('`logger`', run.Logger, engine.EngineLogging),
        ('`logger`, for BSRModel', engine.EngineLogging, None),
        ('`logger.wandb`', run.Wandb, None),
        ('`dist_params`', run.Distribution, None),
    )


def reference() -> str:
    """The whole reference as Markdown."""
    sections = [_section(heading, schema, known) for heading, schema, known in _sections()]
    return '\n'.join([_INTRODUCTION, *sections, _rules()])


def _section(heading: str, schema: type[BaseModel], known: type[BaseModel] | None) -> str:
    rows = [
        f'| `{key}` | {_kind(field.annotation, field.metadata)} | {_default(field)} | {_text(field.description)} |'
        for key, field in schema.model_fields.items()
        if known is None or key not in known.model_fields
    ]
    table = '\n'.join(['| Key | Value | Default | Meaning |', '|---|---|---|---|', *rows])
    return f'## {heading}\n\n{_text(schema.__doc__)}\n\n{table}\n'


def _rules() -> str:
    rules = '\n'.join(f'- {_text(inspect.getdoc(rule))}' for rule in RULES)
    return f'## What must fit together\n\n{rules}\n'


def _default(field: FieldInfo) -> str:
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    return '' if default is PydanticUndefined else f'`{spelt(default)}`'


def _text(text: str | None) -> str:
    return ' '.join((text or '').split()).replace('|', r'\|')


def _kind(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    """What a value may be, in words: ``integer, at least 1, or `~```."""
    return _base_kind(annotation) + _bounds(metadata)


def _base_kind(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(arguments[0], arguments[1:])
    if origin is Literal:
        return ', '.join(f'`{choice}`' for choice in arguments)
    if origin in (Union, types.UnionType):
        kinds = [_kind(argument) for argument in arguments]
        return ' or '.join(kinds) if ',' not in kinds[0] else ', or '.join(kinds)
    if origin is list:
        return f'list: {_kind(arguments[0])}'
    if origin is dict or (inspect.isclass(annotation) and issubclass(annotation, Section)):
        return 'section'
    return {bool: '`true`, `false`', int: 'integer', float: 'number', str: 'text', type(None): '`~`'}[annotation]


def _bounds(metadata: Iterable[Any]) -> str:
    """The limits among the constraints of an annotation, which may be wrapped in ``Field``."""
    words = {'ge': 'at least', 'gt': 'more than', 'le': 'at most', 'lt': 'less than'}
    flat = [limit for item in metadata for limit in (item.metadata if isinstance(item, FieldInfo) else [item])]
    return ''.join(
        f', {word} {getattr(limit, name):g}' for limit in flat for name, word in words.items() if hasattr(limit, name)
    )
