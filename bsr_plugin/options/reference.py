"""The option reference, ``docs/options.md``, written from the schema alone."""

import inspect
from collections.abc import Mapping
from typing import Any

from bsr_plugin.data import dataset_options
from bsr_plugin.models import engine_options as engine
from bsr_plugin.options import datasets, run
from bsr_plugin.options.classes import section_of
from bsr_plugin.options.contradictions import RULES
from bsr_plugin.schema.section import Section
from bsr_plugin.schema.wording import spelt

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

Editors with a YAML language server complete and check the keys by `docs/options.schema.json`, a JSON Schema that
`bsr options --schema` writes from the same definitions; the first comment of every file in `options/` names it. Of the
tag in the first line they learn from
`"yaml.customTags": ["tag:yaml.org,2002:python/name:bsr_plugin.__version__ scalar"]`
in their settings, as in `.vscode/settings.json`.
"""

_EVALUATION = '`datasets.val`, `datasets.test_1`, ..., type'
_SCHEDULERS = ('MultiStepLR', 'CosineAnnealingRestartLR')
_TYPES = {'boolean': '`true`, `false`', 'string': 'text', 'null': '`~`', 'object': 'section'}
_BOUNDS = {
    'minimum': 'at least',
    'maximum': 'at most',
    'exclusiveMinimum': 'more than',
    'exclusiveMaximum': 'less than',
}


def reference() -> str:
    """The whole reference as Markdown."""
    return '\n'.join([_INTRODUCTION, *(_section(*each) for each in _sections()), _rules()])


def _sections() -> list[tuple[Any, ...]]:
    """Heading, schema, and those whose fields are left out because they have a table of their own."""
    every_set, loading = datasets.AnySet, datasets.Loading
    return [
        ('The file', run.Run),
        ('The file, for training', run.TrainingRun, run.Run),
        ('The file, for a test', run.TestRun, run.Run),
        ('`datasets.*`', every_set),
        ('`datasets.train`', loading),
        ('`datasets.train`, type `RFSPairedImageDataset`', datasets.RFSTrainingPairs, every_set, loading),
        ('`datasets.train.pic_importance`', dataset_options.ImportanceOptions),
        ('`datasets.train.pic_band`', dataset_options.BandOptions),
        ('`datasets.train`, type `PairedImageDataset`', datasets.StockTrainingPairs, every_set, loading),
        (f'{_EVALUATION} `PairedImageDataset`', datasets.StockPairs, every_set),
        (f'{_EVALUATION} `RFSPairedImageDataset`', datasets.RFSPairs, every_set),
        (f'{_EVALUATION} `SRBenchmarkDataset`', datasets.BenchmarkSet, every_set),
        ('`datasets.*.io_backend`', dataset_options.StoreBackend),
        ('`network_g`, type `BSRNet`', section_of('network', 'BSRNet')),
        ('`path`', run.TrainingPaths),
        ('`path`, for a test', run.TestPaths, run.Paths),
        ('`train`', run.Train, engine.EngineTraining),
        ('`train`, for BSRModel', engine.EngineTraining),
        ('`train.optim_g`, type `Adam`', section_of('optimizer', 'Adam')),
        *((f'`train.scheduler`, type `{name}`', section_of('scheduler', name)) for name in _SCHEDULERS),
        ('`train.pixel_opt`, type `HybridL1L2LpLoss`', section_of('loss', 'HybridL1L2LpLoss')),
        ('`val`', run.Validation, engine.EngineValidation),
        ('`val`, for BSRModel', engine.EngineValidation),
        ('`val.metrics.*`, PSNR and SSIM', section_of('metric', 'calculate_psnr')),
        ('`logger`', run.Logger, engine.EngineLogging),
        ('`logger`, for BSRModel', engine.EngineLogging),
        ('`logger.wandb`', run.Wandb),
        ('`dist_params`', run.Distribution),
    ]


def _section(heading: str, section: type[Section], *elsewhere: type[Section]) -> str:
    """A table of the fields, as their JSON schema describes them."""
    schemas = section.model_json_schema()['properties']
    rows = [
        f'| `{key}` | {_kind(schemas[key])} | {_default(schemas[key])} | {_text(field.description)} |'
        for key, field in section.model_fields.items()
        if not any(key in other.model_fields for other in elsewhere)
    ]
    table = '\n'.join(['| Key | Value | Default | Meaning |', '|---|---|---|---|', *rows])
    return f'## {heading}\n\n{_text(section.__doc__)}\n\n{table}\n'


def _rules() -> str:
    rules = '\n'.join(f'- {_text(inspect.getdoc(rule))}' for rule in RULES)
    return f'## What must fit together\n\n{rules}\n'


def _kind(schema: Mapping[str, Any]) -> str:
    """What a value may be, in words: ``integer, at least 1, or `~```."""
    if 'anyOf' in schema:
        kinds = [_kind(choice) for choice in schema['anyOf']]
        return (', or ' if ',' in kinds[0] else ' or ').join(kinds)
    if 'enum' in schema or 'const' in schema:
        return ', '.join(f'`{choice}`' for choice in schema.get('enum', [schema.get('const')]))
    if 'items' in schema:
        return f'list: {_kind(schema["items"])}'
    bounds = [f', {words} {schema[bound]:.10g}' for bound, words in _BOUNDS.items() if bound in schema]
    kind = schema.get('type', 'object')  # a $ref, which has no type, is to the schema of a section
    return _TYPES.get(kind, kind) + ''.join(bounds)


def _default(schema: Mapping[str, Any]) -> str:
    return f'`{spelt(schema["default"])}`' if 'default' in schema else ''


def _text(text: str | None) -> str:
    return ' '.join((text or '').split()).replace('|', r'\|')
