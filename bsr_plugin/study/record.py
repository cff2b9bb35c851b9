"""``record.json``: all that a study keeps of a run that is done, apart from its checkpoints."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass

from bsr_plugin.atomic import write_text
from bsr_plugin.study.learning_curves import mean_over_sets
from bsr_plugin.study.planning import Cell

FILE_NAME = 'record.json'
FORMAT = 1

#: What stands in the place of a set's name for the mean over all of them.
ALL_SETS = 'mean of all sets'


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
    format: int = FORMAT

    def with_mean_of_sets(self) -> 'RunRecord':
        """The same with ``ALL_SETS`` among the sets of ``means`` and ``curves``, where there are several."""
        if len(self.means) < 2:
            return self
        values, curves = list(self.means.values()), list(self.curves.values())
        mean = {metric: sum(each[metric] for each in values) / len(values) for metric in values[0]}
        curve = {metric: mean_over_sets([each[metric] for each in curves]) for metric in values[0]}
        return replace(self, means={**self.means, ALL_SETS: mean}, curves={**self.curves, ALL_SETS: curve})


def digest_of(cell: Cell) -> str:
    """Digest of a run's options, wherever its study lies."""
    text = json.dumps([cell.train, cell.test], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def write_record(file: Path, record: RunRecord) -> None:
    """Writes a record, whole or not at all."""
    write_text(file, _ADAPTER.dump_json(record, indent=1).decode() + '\n')


def read_record(file: Path) -> RunRecord | None:
    """Reads a record; ``None`` where there is none, or one that is damaged or of another version."""
    try:
        content = json.loads(file.read_bytes())
        return _ADAPTER.validate_python(content) if content['format'] == FORMAT else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


_ADAPTER = TypeAdapter(RunRecord)
