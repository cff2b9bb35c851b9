"""``record.json``: all that a study keeps of a run that is done, apart from its checkpoints."""

import datetime
import hashlib
import json
from collections.abc import Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass

from bsr_plugin.atomic import write_text
from bsr_plugin.study.learning_curves import mean_over_sets
from bsr_plugin.study.planning import Cell, Options

FILE_NAME = 'record.json'
FORMAT = 1

#: What stands in the place of a set's name for the mean over all of them.
ALL_SETS = 'mean of all sets'


@dataclass(frozen=True, config=ConfigDict(ser_json_inf_nan='strings'))
class SetRecord:
    """What a final network reaches on a test set.

    Attributes:
        options: Digest of the set's section.
        means: Metric -> mean over the images.
        images: Image -> metric -> value.
    """

    options: str
    means: dict[str, float]
    images: dict[str, dict[str, float]]


@dataclass(frozen=True, config=ConfigDict(ser_json_inf_nan='strings'))
class RunRecord:
    """A run that is done.

    Attributes:
        variant: Its variant.
        seed: Its seed.
        options: Digest of the options of its training and its test.
        means: Set -> metric -> value of the final network.
        images: Set -> image -> metric -> value.
        curves: Set -> metric -> learning curve.
        seconds_per_iteration: Time of an iteration; ``None`` where the log does not tell.
        versions: Package -> version.
        machine: The machine that it ended on, in a line; ``None`` where it is not known.
        tests: Test set -> what the final network reaches on it.
        finished: Day on which it was done, in UTC and as ISO 8601 writes it; ``None`` where it is not known.
        format: Version of this file's form.
    """

    variant: str
    seed: int
    options: str
    means: dict[str, dict[str, float]]
    images: dict[str, dict[str, dict[str, float]]]
    curves: dict[str, dict[str, dict[int, float]]]
    seconds_per_iteration: float | None
    versions: dict[str, str]
    machine: str | None = None
    tests: dict[str, SetRecord] = field(default_factory=dict)
    finished: str | None = None
    format: int = FORMAT

    def with_mean_of_sets(self) -> 'RunRecord':
        """The same with ``ALL_SETS`` among the sets of ``means`` and ``curves``, where there are several."""
        if len(self.means) < 2:
            return self
        values, curves = list(self.means.values()), list(self.curves.values())
        mean = {metric: sum(each[metric] for each in values) / len(values) for metric in values[0]}
        curve = {metric: mean_over_sets([each[metric] for each in curves]) for metric in values[0]}
        return replace(self, means={**self.means, ALL_SETS: mean}, curves={**self.curves, ALL_SETS: curve})

    def on_test_sets(self, names: Sequence[str]) -> 'RunRecord | None':
        """The same with the figures of test sets in the place of all others; ``None`` unless it has those of each."""
        if not names or any(name not in self.tests for name in names):
            return None
        means = {name: self.tests[name].means for name in names}
        images = {name: self.tests[name].images for name in names}
        nothing: dict[str, dict[int, float]] = {metric: {} for metric in next(iter(means.values()))}
        return replace(self, means=means, images=images, curves=dict.fromkeys(names, nothing)).with_mean_of_sets()


def digest_of(cell: Cell) -> str:
    """Digest of a run's options, wherever its study lies."""
    return _digest([cell.train, cell.test])


def digest_of_set(options: Options) -> str:
    """Digest of the section of a test set."""
    return _digest(options)


def _digest(options: Any) -> str:
    return hashlib.sha256(json.dumps(options, sort_keys=True, default=str).encode()).hexdigest()


def day_of(seconds: float) -> str:
    """The day of a time in seconds since the epoch, in UTC and as ISO 8601 writes it."""
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).date().isoformat()


def write_record(file: Path, record: RunRecord) -> None:
    """Writes a record, whole or not at all."""
    write_text(file, _ADAPTER.dump_json(record, indent=1).decode() + '\n')


def read_record(file: Path) -> RunRecord | None:
    """Reads a record; ``None`` where there is none, or one that is damaged or of another version.

    One that does not tell when the run was done is of the day on which its file was written.
    """
    try:
        content = json.loads(file.read_bytes())
        record = _ADAPTER.validate_python(content) if content['format'] == FORMAT else None
        return record and replace(record, finished=record.finished or day_of(file.stat().st_mtime))
    except (OSError, ValueError, KeyError, TypeError):
        return None


_ADAPTER = TypeAdapter(RunRecord)
