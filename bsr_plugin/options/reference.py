"""The option reference, ``docs/options.md``, written from the schema alone."""

import inspect
import types
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from bsr_plugin.options import datasets, losses, network, run, training, validation
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

A key without a default must be given. Other registered networks, losses and metrics take their arguments as keys, and
these are checked against their signatures; other data sets and models look up keys of their own.
"""

#: Heading, schema, and the fields to leave out because a section before has them.
_SECTIONS: tuple[tuple[str, type[Section], type[Section] | None], ...] = (
    ('The file', run.Run, None),
    ('The file, for training', run.TrainingRun, run.Run),
    ('The file, for a test', run.TestRun, run.Run),
    ('`datasets.train`, type `RFSPairedImageDataset`', datasets.RFSTrainingPairs, None),
    ('`datasets.train`, type `PairedImageDataset`', datasets.StockTrainingPairs, None),
    ('`datasets.val`, `datasets.test_1`, ..., type `PairedImageDataset`', datasets.StockPairs, None),
    ('`datasets.val`, `datasets.test_1`, ..., type `RFSPairedImageDataset`', datasets.RFSPairs, None),
    ('`datasets.val`, `datasets.test_1`, ..., type `SRBenchmarkDataset`', datasets.BenchmarkSet, None),
    ('`datasets.*.io_backend`', datasets.IoBackend, None),
    ('`network_g`, type `BSRNet`', network.BSRNetOptions, None),
    ('`path`', run.TrainingPaths, None),
    ('`train`', training.Train, None),
    ('`train.optim_g`', training.Adam, None),
    ('`train.scheduler`, type `MultiStepLR`', training.MultiStepLR, None),
    ('`train.scheduler`, type `CosineAnnealingRestartLR`', training.CosineAnnealing, None),
    ('`train.pixel_opt`, type `HybridL1L2LpLoss`', losses.HybridLossOptions, None),
    ('`val`', validation.Validation, None),
    ('`val.metrics.*`, PSNR and SSIM', validation.Fidelity, None),
    ('`logger`', run.Logger, None),
    ('`logger.wandb`', run.Wandb, None),
    ('`dist_params`', run.Distribution, None),
)


def reference() -> str:
    """The whole reference as Markdown."""
    sections = [_section(heading, schema, known) for heading, schema, known in _SECTIONS]
    return '\n'.join([_INTRODUCTION, *sections, _rules()])


def _section(heading: str, schema: type[Section], known: type[Section] | None) -> str:
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
    return '' if field.default is PydanticUndefined else f'`{spelt(field.default)}`'


def _text(text: str | None) -> str:
    return ' '.join((text or '').split()).replace('|', r'\|')


def _kind(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    """What a value may be, in words: ``whole number, at least 1, or `~```."""
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
    return {bool: '`true`, `false`', int: 'whole number', float: 'number', str: 'text', type(None): '`~`'}[annotation]


def _bounds(metadata: Iterable[Any]) -> str:
    """The limits among the constraints of an annotation, which may be wrapped in ``Field``."""
    words = {'ge': 'at least', 'gt': 'more than', 'le': 'at most', 'lt': 'less than'}
    flat = [limit for item in metadata for limit in (item.metadata if isinstance(item, FieldInfo) else [item])]
    return ''.join(
        f', {word} {getattr(limit, name):g}' for limit in flat for name, word in words.items() if hasattr(limit, name)
    )
