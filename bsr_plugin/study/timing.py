"""How fast every variant of a study trains here, measured before its runs begin.

A variant is timed by a short training of its own options, without validation and checkpoints, in a process of its own
and in the place that its runs will have: a core with as many neighbours as they. One process may be slower than the
next, so all variants are timed in turn, several times over. ``rates.json`` in the study's folder keeps the medians, so
that a study that is started again has the same options.
"""

import hashlib
import json
import math
import shutil
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NoReturn

from tqdm import tqdm

from bsr_plugin.atomic import write_text
from bsr_plugin.errors import InputError
from bsr_plugin.evaluation.training_log import Record, read_log
from bsr_plugin.study.budget import stretched
from bsr_plugin.study.folder import CellFolder
from bsr_plugin.study.learning_curves import seconds_per_iteration
from bsr_plugin.study.planning import Cell, Options, Plan, as_file
from bsr_plugin.study.running import Course, Job, Outcome, RunFailedError, Runner, check_status
from bsr_plugin.study.slots import Slot

FILE_NAME = 'rates.json'
FORMAT = 1

#: Iterations before the first that counts: memory is mapped, kernels are chosen.
_WARM_UP = 10
#: Stretches between log lines, whose median is taken, and the iterations in one of them at least.
_STRETCHES, _IN_A_STRETCH = 20, 2
#: Timings of each variant, in turn with the others.
_ROUNDS = 3
#: Seconds that one of them takes: a share of the budget, within bounds.
_SHARE, _SHORTEST, _LONGEST = 0.05, 1.0, 15.0


class Rates:
    """The rates that a study's folder keeps.

    Args:
        study: Folder of the study.
        plan: The study, its runs without a budget.
    """

    def __init__(self, study: Path, plan: Plan) -> None:
        self._file = study / FILE_NAME
        first = plan.cells[: len(plan.variants)]
        self._cells = {cell.variant: cell for cell in first}
        self._kept = _read(self._file)

    def known(self) -> dict[str, float]:
        """Variant -> iterations per second, of the variants that have been timed.

        Raises:
            InputError: One was timed with other options.
        """
        kept = {name: self._kept[name] for name in self._cells if name in self._kept}
        changed = [name for name, each in kept.items() if each['options'] != _digest(self._cells[name])]
        if changed:
            raise InputError(
                f'{self._file} has the rate of {", ".join(changed)} with other options: use another --out, or give '
                '--restart to time all variants and begin their runs anew.'
            )
        return {name: float(each['iterations_per_second']) for name, each in kept.items()}

    def of_all(self) -> dict[str, float]:
        """The rates of all variants.

        Raises:
            InputError: One has not been timed.
        """
        if missing := self.missing():
            names = ', '.join(cell.variant for cell in missing)
            raise InputError(f'{self._file} lacks the rate of {names}: bsr study measures it.')
        return self.known()

    def missing(self) -> list[Cell]:
        """A run of each variant that has not been timed."""
        known = self.known()
        return [self._cells[name] for name in self._cells if name not in known]

    def keep(self, variant: str, rate: float) -> None:
        """Writes a rate down."""
        self._kept = {**self._kept, variant: {'options': _digest(self._cells[variant]), 'iterations_per_second': rate}}
        write_text(self._file, json.dumps({'format': FORMAT, 'variants': self._kept}, indent=1) + '\n')

    def forget(self) -> None:
        """Forgets all rates."""
        self._file.unlink(missing_ok=True)
        self._kept = {}


def _digest(cell: Cell) -> str:
    """Digest of what is timed, which seeds and validations are not a part of."""
    options = timing_options(cell, 1)
    text = json.dumps([options[key] for key in sorted(options) if key not in ('name', 'manual_seed')], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _read(file: Path) -> dict[str, Mapping[str, str | float]]:
    try:
        content = json.loads(file.read_text(encoding='utf-8'))
        variants = dict(content['variants']) if content['format'] == FORMAT else {'': {}}
        if all(math.isfinite(each['iterations_per_second']) and each['options'] for each in variants.values()):
            return variants
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    raise InputError(f'{file} cannot be read: remove it to have the variants timed anew.')


def time_variants(study: Path, plan: Plan, rates: Rates, slots: Sequence[Slot]) -> Outcome:
    """Times the variants that have not been timed, one on each slot, in several rounds, and keeps the median rates."""
    folder, missing = study / 'timing', rates.missing()
    if not missing:
        return Outcome()
    timings = [CellFolder(folder / f'round_{number + 1}', cell) for number in range(_ROUNDS) for cell in missing]
    measured: dict[str, list[float]] = {cell.variant: [] for cell in missing}

    def keep(variant: str, rate: float) -> None:
        measured[variant].append(rate)
        if len(measured[variant]) == _ROUNDS:
            rates.keep(variant, median(measured[variant]))

    seconds = min(_LONGEST, max(_SHORTEST, _SHARE * (plan.seconds or 0)))
    # They take the slots that no variant needs any more, so that the last one has neighbours as well.
    places = slots[: len(plan.cells)]
    neighbours = [CellFolder(folder / f'neighbour_{index}', plan.cells[0]) for index in range(1, len(places))]
    with tqdm(total=len(timings), desc='timing', unit='training', disable=None, dynamic_ncols=True) as bar:
        progress = _TimingProgress(bar, timings)
        timing = course_of_timing(seconds, keep)

        def course(each: CellFolder) -> Course:
            if each in progress.waiting:
                yield from timing(each)
            elif each in neighbours:
                yield from _beside(each, progress)

        outcome = Runner([*timings, *neighbours], places, progress, course=course).run()
    if not outcome.failures:
        shutil.rmtree(folder, ignore_errors=True)
    return outcome


class _TimingProgress:
    """Counts the timings that are done.

    Attributes:
        waiting: Those that are still to come or at work; a variant that failed has none.
    """

    def __init__(self, bar: 'tqdm[NoReturn]', waiting: Sequence[CellFolder]) -> None:
        self._bar = bar
        self.waiting = list(waiting)

    def reached(self, folder: CellFolder, iteration: int) -> None:
        """Two short trainings have no progress of their own."""

    def done(self, folder: CellFolder) -> None:
        """Tells that a variant has been timed for the last time."""
        if folder in self.waiting:
            self.waiting.remove(folder)
            self._bar.update()
            if all(each.cell.variant != folder.cell.variant for each in self.waiting):
                self._bar.write(f'{folder.cell.variant}: timed', file=sys.stderr)

    def failed(self, folder: CellFolder, sentence: str) -> None:
        """Tells why a variant could not be timed."""
        self.waiting = [each for each in self.waiting if each.cell.variant != folder.cell.variant]
        self._bar.write(sentence, file=sys.stderr)

    def show(self) -> None:
        """The bar shows itself."""


def course_of_timing(seconds: float, keep: Callable[[str, float], object]) -> Callable[[CellFolder], Course]:
    """Two trainings: a short one tells how many iterations the one that counts has.

    Args:
        seconds: What the one that counts takes.
        keep: Called with the variant and its iterations per second.
    """

    def course(folder: CellFolder) -> Course:
        shutil.rmtree(folder.path, ignore_errors=True)
        folder.path.mkdir(parents=True)
        rough = yield from _timed(folder, 1)
        length = math.ceil(seconds * rough / _STRETCHES)
        keep(folder.cell.variant, (yield from _timed(folder, max(_IN_A_STRETCH, length))))

    return course


def _beside(folder: CellFolder, progress: _TimingProgress) -> Course:
    """Trains for as long as variants are timed beside it."""
    while progress.waiting:
        shutil.rmtree(folder.path, ignore_errors=True)
        folder.path.mkdir(parents=True)
        yield from _timed(folder, _IN_A_STRETCH)


def _timed(folder: CellFolder, stretch: int) -> Generator[Job, tuple[int, str], float]:
    """Iterations per second of a training with so many iterations from one log line to the next."""
    options = timing_options(folder.cell, stretch)
    file = folder.path / f'{options["name"]}.yml'
    write_text(file, as_file(options))
    check_status(*(yield Job('train', ('-opt', str(file)))))
    records = read_log(folder.path / 'tb_logger' / str(options['name']))
    return rate_of(next((own for tag, own in sorted(records.items()) if tag.startswith('losses/')), []))


def timing_options(cell: Cell, stretch: int) -> Options:
    """Options of a training that is only there to be timed.

    Args:
        cell: A run of the variant.
        stretch: Iterations from one log line to the next.
    """
    lines = math.ceil(_WARM_UP / stretch) + 1 + _STRETCHES
    options = stretched(cell.train, lines * stretch)
    logger = {**options['logger'], 'print_freq': stretch, 'save_checkpoint_freq': lines * stretch + 1}
    return {
        **{key: value for key, value in options.items() if key != 'val'},
        'name': f'{options["name"]}_every_{stretch}',
        'datasets': {'train': options['datasets']['train']},
        'logger': logger,
    }


def rate_of(records: Sequence[Record]) -> float:
    """Iterations per second after the warm-up, from the times of log lines.

    Raises:
        RunFailedError: The lines do not tell.
    """
    seconds = seconds_per_iteration([each for each in records if each.iteration >= _WARM_UP])
    if not seconds:
        raise RunFailedError('its log does not tell how long an iteration took')
    return 1 / seconds
