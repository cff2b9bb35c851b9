"""From a study file to the options of every run, all of them checked before the first one begins."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bsr_plugin.errors import InputError
from bsr_plugin.models.engine_options import at
from bsr_plugin.options import check_options
from bsr_plugin.options.loader import PLUGIN_TAG, parse
from bsr_plugin.schema.wording import line
from bsr_plugin.study.definition import Comparison, changed, read_study

Options = dict[str, Any]

#: What the study itself gives to every run.
_GIVEN = {
    ('path', 'experiments_root'): 'the runs of a study are kept in its own folder',
    ('path', 'results_root'): 'the runs of a study are kept in its own folder',
    ('path', 'resume_state'): 'every run of a study begins anew',
    ('datasets', 'train', 'seed'): "the study's seeds give it",
}
#: Options that a test takes from its training.
_SHARED = ('name', 'model_type', 'scale', 'num_gpu', 'manual_seed', 'network_g')
_ALL = 'all variants'
_OF_VARIANTS = {('name',): "it is the variant's", ('manual_seed',): "the study's seeds give it"}


@dataclass(frozen=True)
class Cell:
    """A run of the grid.

    Attributes:
        variant: Name of its variant.
        seed: Its ``manual_seed``.
        train: Options of its training.
        test: Options of its test; ``path.pretrain_network_g`` is still open.
        test_sets: Name -> section of each set that only the final network is tested on.
    """

    variant: str
    seed: int
    train: Options
    test: Options
    test_sets: Mapping[str, Options] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """How it is called in messages."""
        return f'{self.variant}, seed {self.seed}'

    @property
    def iterations(self) -> int:
        """Iterations of its training."""
        return int(self.train['train']['total_iter'])

    @property
    def sets(self) -> list[str]:
        """Names of its validation sets."""
        return [dataset['name'] for dataset in self.test['datasets'].values()]

    def test_on(self, names: Sequence[str]) -> Options:
        """Options of a test on some of the test sets."""
        return _on(self.test, [self.test_sets[name] for name in names])


@dataclass(frozen=True)
class Plan:
    """A checked study.

    Attributes:
        name: Its name.
        reference: The variant that the others are compared with.
        variants: Names of the variants, in order.
        seeds: The seeds, in order.
        cells: The runs: all variants of the first seed, then those of the next.
        comparisons: The claims that its result tells of.
        test_sets: Names of the sets that only the final networks are tested on.
        seconds: Seconds of training for every run; ``None`` leaves the iterations as the options give them.
        rates: Variant -> iterations per second that make iterations of the seconds; empty until they are known.
    """

    name: str
    reference: str
    variants: tuple[str, ...]
    seeds: tuple[int, ...]
    cells: tuple[Cell, ...]
    comparisons: tuple[Comparison, ...] = ()
    test_sets: tuple[str, ...] = ()
    seconds: float | None = None
    rates: Mapping[str, float] = field(default_factory=dict)


def plan_study(path: Path, check_paths: bool = True) -> Plan:
    """Reads a study file and checks it, its base, and the options of every variant for training and test.

    Args:
        path: The study file.
        check_paths: Whether the folders, files and GPUs the options ask for must be on this machine.

    Raises:
        InputError: One line for each problem.
    """
    study, base = read_study(path)
    changes = {name: given or {} for name, given in study.variants.items()}
    problems = list(_given_twice(base, changes))
    options = {name: changed(base, given) for name, given in changes.items()}
    if not problems:
        checked = {name: training_options(given, name, max(study.seeds)) for name, given in options.items()}
        problems = _by_variant(
            {name: _problems(train, study.test_sets, check_paths) for name, train in checked.items()}
        )
    problems = problems or list(_incomparable(options, study.reference))
    if problems:
        raise InputError('\n'.join(f'{path}: {each}' for each in problems))
    cells, sets = [], {dataset['name']: dataset for dataset in study.test_sets}
    for seed in study.seeds:
        for name in study.variants:
            train = training_options(options[name], name, seed)
            cells.append(Cell(name, seed, train, test_options(train), sets))
    return Plan(
        name=study.name,
        reference=study.reference,
        variants=tuple(study.variants),
        seeds=tuple(study.seeds),
        cells=tuple(cells),
        comparisons=tuple(study.comparisons),
        test_sets=tuple(sets),
        seconds=study.seconds,
    )


def _problems(train: Options, test_sets: Sequence[Options], check_paths: bool) -> list[str]:
    """One line for each problem of a variant's options, for the training and then for the tests."""
    found = [*_lacks(train), *check_options(train, True, check_paths)]
    found = found or check_options(test_options(train), False, check_paths)
    if found or not test_sets:
        return found
    test = test_options(train)
    # Together, so that no two sets have one name.
    together = _on(test, [*test['datasets'].values(), *test_sets])
    return [f'test_sets: {problem}' for problem in check_options(together, False, check_paths)]


def _by_variant(problems: Mapping[str, Sequence[str]]) -> list[str]:
    """A line for each problem, with the variants that have it; those of all variants first."""
    having = {each: [name for name in problems if each in problems[name]] for own in problems.values() for each in own}
    lines = [f'{_names(names, len(problems))}: {each}' for each, names in having.items()]
    return sorted(lines, key=lambda text: not text.startswith(_ALL))


def _names(variants: Sequence[str], total: int) -> str:
    if len(variants) == 1:
        return f'variant {variants[0]}'
    return _ALL if len(variants) == total else f'variants {", ".join(variants)}'


def _given_twice(base: Options, changes: Mapping[str, Options]) -> Iterator[str]:
    """What the study gives may stand neither in the base nor in a variant."""
    for keys, reason in _GIVEN.items():
        if at(base, *keys) is not None:
            yield f'base: {line(keys, f"{reason}: leave it out")}'
    for name, given in changes.items():
        for keys, reason in (_GIVEN | _OF_VARIANTS).items():
            if at(given, *keys) is not None:
                yield f'variant {name}: {line(keys, f"{reason}: leave it out")}'


def _lacks(options: Options) -> Iterator[str]:
    """What a study needs beyond what a training needs."""
    if not at(options, 'val', 'metrics'):
        yield line(['val', 'metrics'], 'a study compares metrics: give some')
    sets = at(options, 'datasets')
    if not isinstance(sets, Mapping) or not any(str(key).startswith('val') for key in sets):
        yield line(['datasets'], 'a study compares figures on validation sets: give datasets.val')
    gpus = options.get('num_gpu')
    if isinstance(gpus, int) and not isinstance(gpus, bool) and gpus > 1:
        yield line(['num_gpu'], f'{gpus}, but every run of a study has one GPU: use auto or 1')


def _incomparable(options: Mapping[str, Options], reference: str) -> Iterator[str]:
    """Metrics and sets of one name must be the same for all variants."""
    expected = _measured(options[reference])
    for name, own in options.items():
        measured = _measured(own)
        for key in sorted({*measured, *expected}):
            # A set that one variant reads with another class may be the same.
            is_given = 'degradation' not in key or (key in measured and key in expected)
            if is_given and measured.get(key) != expected.get(key):
                sentence = f'differs from that of {reference}; their figures cannot be compared'
                yield f'variant {name}: {line(key, sentence)}'


def _measured(options: Options) -> dict[tuple[str, ...], Any]:
    """What says what a figure is measured on and how."""
    sets = {key: value for key, value in options['datasets'].items() if key.startswith('val')}
    found: dict[tuple[str, ...], Any] = {
        ('val', 'metrics'): options['val']['metrics'],
        ('scale',): options.get('scale'),
    }
    for key, value in sets.items():
        found['datasets', key] = value['name'], value.get('dataroot_gt')
        if value['type'] == 'SRBenchmarkDataset':
            found['datasets', key, 'degradation'] = value.get('degradation', 'bicubic'), value.get('dataroot_lq')
    return found


def training_options(options: Options, variant: str, seed: int) -> Options:
    """The option file of a run's training: of its variant, with the seed, a name and a TensorBoard log of its own."""
    own = {'name': f'{variant}_{seed}', 'manual_seed': seed, 'logger': {'use_tb_logger': True}}
    return _as_read({key: value for key, value in changed(options, own).items() if key != 'bsr_plugin'})


def test_options(train: Options) -> Options:
    """The option file of a run's test: its final network, the moving average if it has one, on its validation sets."""
    sets = [dataset for key, dataset in train['datasets'].items() if key.startswith('val')]
    averaged = float(train['train'].get('ema_decay') or 0) > 0
    test = {
        **{key: train[key] for key in _SHARED if key in train},
        'datasets': {},
        'path': {
            'pretrain_network_g': None,
            'param_key_g': 'params_ema' if averaged else 'params',
            'strict_load_g': True,
        },
        'val': {key: value for key, value in train['val'].items() if key != 'val_freq'},
    }
    return _on(test, sets)


def _on(test: Options, sets: Sequence[Options]) -> Options:
    """The options of a test on other sets."""
    return {**test, 'datasets': {f'test_{number}': dataset for number, dataset in enumerate(sets, 1)}}


def as_file(options: Options) -> str:
    """An option file's text."""
    body = yaml.safe_dump(options, sort_keys=False, allow_unicode=True)
    return f'bsr_plugin: {PLUGIN_TAG}  # imports the plugin, which registers its classes\n{body}'


def _as_read(options: Options) -> Options:
    """Options as they are read from the file they are written to."""
    read = parse(yaml.safe_dump(options, sort_keys=False, allow_unicode=True))
    return dict(read)
