"""The folder of a run: its option files, what it trained, and whether that is all there.

A study's folder has one for each run, ``runs/VARIANT/SEED/``::

    train.yml, test.yml   options, written out in full; the run belongs to them
    test_sets.yml         options of the test on the study's test sets
    output.log            what its processes printed
    experiments/NAME/     checkpoints and log, NAME being VARIANT_SEED
    tb_logger/NAME/       TensorBoard log
    validations/N.json    figures of a validation that a killed process did not write down
    results/NAME/         the final test: metrics.json
    record.json           all that the study keeps of the run; written last, and anew after the test on the test sets

Once the record is there, nothing else is needed: it makes the run a done one, also by itself, in another study's folder
or on another machine.
"""

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bsr_plugin.atomic import write_text
from bsr_plugin.bench.machine import in_a_line
from bsr_plugin.errors import InputError
from bsr_plugin.evaluation.results import read_results
from bsr_plugin.evaluation.training_log import Record, read_log
from bsr_plugin.models.checkpoint import states_in
from bsr_plugin.models.resume import newest_readable
from bsr_plugin.options.loader import read_options
from bsr_plugin.options.machine import absent_sets
from bsr_plugin.study.learning_curves import seconds_per_iteration
from bsr_plugin.study.planning import Cell, Options, as_file
from bsr_plugin.study.record import (
    FILE_NAME,
    RunRecord,
    SetRecord,
    day_of,
    digest_of,
    digest_of_set,
    read_record,
    write_record,
)

#: The network that a training ends with.
_FINAL = 'net_g_latest.pth'


class CellFolder:
    """The folder of a run.

    Args:
        study: Folder of the study.
        cell: The run.
    """

    def __init__(self, study: Path, cell: Cell) -> None:
        self.cell = cell
        self.path = study / 'runs' / cell.variant / str(cell.seed)
        name = cell.train['name']
        self.train_file, self.test_file = self.path / 'train.yml', self.path / 'test.yml'
        self.output = self.path / 'output.log'
        self.experiment = self.path / 'experiments' / name
        self.models, self.states = self.experiment / 'models', self.experiment / 'training_states'
        self.log = self.path / 'tb_logger' / name
        self.results = self.path / 'results' / name
        self._validations = self.path / 'validations'
        self.record_file = self.path / FILE_NAME

    # Options

    def test_options(self, weights: str) -> Options:
        """The options of a test of one of the run's networks, such as ``net_g_latest.pth``."""
        return self._with_weights(self.cell.test, weights)

    def _with_weights(self, test: Options, weights: str) -> Options:
        return {**test, 'path': {**test['path'], 'pretrain_network_g': str(self.models / weights)}}

    def is_changed(self) -> bool:
        """Whether the folder belongs to other options than those of the study."""
        if (record := read_record(self.record_file)) is not None and record.options != digest_of(self.cell):
            return True
        kept = {file: read_options(file) for file in (self.train_file, self.test_file) if file.is_file()}
        for options in kept.values():
            options.pop('bsr_plugin', None)
        own = {self.train_file: self.cell.train, self.test_file: self.test_options(_FINAL)}
        return any(_without_weights(options) != _without_weights(own[file]) for file, options in kept.items())

    def write_options(self) -> None:
        """Writes the option files."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_text(self.train_file, as_file(self.cell.train))
        write_text(self.test_file, as_file(self.test_options(_FINAL)))

    def remove(self) -> None:
        """Removes the folder and all that is in it."""
        # First, so that what is left of it never counts.
        self.record_file.unlink(missing_ok=True)
        shutil.rmtree(self.path)

    # Training

    def iteration(self) -> int:
        """The iteration of the newest checkpoint; 0 for none."""
        return next(iter(states_in(self.states)), 0) if self.states.is_dir() else 0

    def forget_what_cannot_be_resumed(self) -> None:
        """Removes what a process left that was killed before its first checkpoint was whole."""
        if not self.iteration() or self._only_half_written():
            for folder in (self.experiment.parent, self.log.parent, self._validations):
                shutil.rmtree(folder, ignore_errors=True)

    def _only_half_written(self) -> bool:
        """Whether no checkpoint is whole. BSRModel's always are; those of other engines are written in place."""
        if self.cell.train['model_type'] == 'BSRModel':
            return False
        try:
            return newest_readable(self.states, self.models) is None
        except InputError:
            return True

    def unrecorded_validation(self) -> int | None:
        """The iteration that the training resumes at, where its validation is due and its figures are not known.

        A validation comes after the checkpoint of its iteration; a process killed in between resumes after it.
        BSRModel's states tell of that, and its training repeats it by itself.

        Raises:
            InputError: There are checkpoints, but none can be read.
        """
        try:
            found = newest_readable(self.states, self.models)
        except InputError as error:
            raise InputError(
                f'{self.path}: no checkpoint can be read; remove the folder to begin this run anew.'
            ) from error
        if found is None or 'validated' in found.state:
            return None
        iteration = int(found.state['iter'])
        due = iteration % int(self.cell.train['val']['val_freq']) == 0 and iteration < self.cell.iterations
        return iteration if due and not all(iteration in curve for curve in self.curves().values()) else None

    def record_validation(self, iteration: int, results: Path) -> None:
        """Keeps the figures of a test of the checkpoint of an iteration."""
        means = {part.name: part.mean for part in read_results(results).sets}
        self._validations.mkdir(exist_ok=True)
        write_text(self._validations / f'{iteration}.json', json.dumps(means, indent=1) + '\n')

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics."""
        return list(self.cell.test['val']['metrics'])

    def scalars(self) -> dict[str, list[Record]]:
        """The records of the TensorBoard log; none if there is no log."""
        return read_log(self.log) if any(self.log.glob('*tfevents*')) else {}

    def curves(self) -> dict[tuple[str, str], dict[int, float]]:
        """Set and metric -> iteration -> the mean over the set that a validation found, with a float32's precision."""
        scalars = self.scalars()
        curves = {
            (name, metric): {each.iteration: each.value for each in scalars.get(f'metrics/{name}/{metric}', ())}
            for name in self.cell.sets
            for metric in self.metrics
        }
        for file in self._validations.glob('*.json') if self._validations.is_dir() else ():
            means = json.loads(file.read_text(encoding='utf-8'))
            for (name, metric), curve in curves.items():
                curve.setdefault(int(file.stem), _float32(means[name][metric]))
        return {key: dict(sorted(curve.items())) for key, curve in curves.items()}

    # Results

    def record(self) -> RunRecord | None:
        """What the run found, with the study's test sets alone; ``None`` while it is not trained and tested."""
        record = read_record(self.record_file)
        if record is None or record.options != digest_of(self.cell):
            return None
        digests = {name: digest_of_set(options) for name, options in self.cell.test_sets.items()}
        tests = {name: each for name, each in record.tests.items() if each.options == digests.get(name)}
        return replace(record, tests=tests)

    def is_done(self) -> bool:
        """Whether there is a record of the run, with the options of the study, and no test set is left."""
        return self.record() is not None and not self.untested()

    def untested(self) -> list[str]:
        """The test sets on this machine that the final network has not been tested on; none where it is gone."""
        record = self.record()
        if record is None or not (self.models / _FINAL).is_file():
            return []
        sets = self.cell.test_on([name for name in self.cell.test_sets if name not in record.tests])
        absent = absent_sets(sets)
        return [dataset['name'] for key, dataset in sets['datasets'].items() if key not in absent]

    def write_options_of(self, test_sets: Sequence[str]) -> Path:
        """Writes the option file of a test on test sets."""
        file = self.path / 'test_sets.yml'
        write_text(file, as_file(self._with_weights(self.cell.test_on(test_sets), _FINAL)))
        return file

    def record_tests(self) -> None:
        """Adds to the record what a test on test sets measured.

        Raises:
            InputError: The results are missing or damaged.
        """
        record = read_record(self.record_file)
        if record is None:
            raise InputError(f'{self.path} has no record: run bsr study again.')
        measured = {
            part.name: SetRecord(
                digest_of_set(self.cell.test_sets[part.name]),
                dict(part.mean),
                {image.name: dict(image.values) for image in part.images},
            )
            for part in read_results(self.results).sets
        }
        write_record(self.record_file, replace(record, tests={**record.tests, **measured}))

    def mark_done(self) -> None:
        """Records what the final test measured, and the learning curves.

        Raises:
            InputError: The results are missing or damaged.
        """
        result = read_results(self.results)
        curves: dict[str, dict[str, dict[int, float]]] = {part.name: {} for part in result.sets}
        for (name, metric), curve in self.curves().items():
            curves[name][metric] = curve
        log_lines = [records for tag, records in sorted(self.scalars().items()) if tag.startswith('losses/')]
        record = RunRecord(
            variant=self.cell.variant,
            seed=self.cell.seed,
            options=digest_of(self.cell),
            means={part.name: dict(part.mean) for part in result.sets},
            images={part.name: {image.name: dict(image.values) for image in part.images} for part in result.sets},
            curves=curves,
            seconds_per_iteration=seconds_per_iteration(log_lines[0]) if log_lines else None,
            versions=result.versions,
            machine=in_a_line(),
            finished=day_of(time.time()),
        )
        write_record(self.record_file, record)

    def clear_results(self) -> None:
        """Removes the results of tests that were not finished."""
        shutil.rmtree(self.results.parent, ignore_errors=True)

    def incomplete(self, results: Path, sets: Sequence[str] | None = None) -> str | None:
        """Why results do not serve: one sentence; ``None`` where every image of every set was measured.

        Args:
            results: Folder of the results.
            sets: Names of the sets; ``None`` for the validation sets.
        """
        try:
            result = read_results(results)
        except InputError as error:
            return str(error)
        there = {part.name for part in result.sets}
        expected = self.cell.sets if sets is None else sets
        missing = [f'{name} was not measured.' for name in expected if name not in there]
        return next(iter([*missing, *result.left_out]), None)


def _without_weights(options: Options) -> dict[str, Any]:
    """Test options wherever the study lies; training options as they are."""
    path = dict(options.get('path') or {})
    weights = path.get('pretrain_network_g')
    if 'val' in options and 'val_freq' not in options['val'] and weights:
        path['pretrain_network_g'] = Path(weights).name
    return {**options, 'path': path}


def _float32(value: float) -> float:
    import numpy as np

    return float(np.float32(value))
