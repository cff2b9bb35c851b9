"""Runs the cells of a study side by side: what is done is skipped, what was begun goes on."""

import signal
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Protocol

from filelock import FileLock, Timeout

from bsr_plugin.atomic import write_text
from bsr_plugin.errors import InputError
from bsr_plugin.study.child import is_free
from bsr_plugin.study.folder import CellFolder
from bsr_plugin.study.planning import Plan, as_file
from bsr_plugin.study.process import Process
from bsr_plugin.study.slots import Slot

_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Job:
    """A process that a run needs next.

    Attributes:
        phase: ``train`` or ``test``.
        words: Arguments of the launcher.
    """

    phase: str
    words: tuple[str, ...]


class RunFailedError(Exception):
    """A run cannot go on; one sentence says why."""


#: The processes of a run, one after the other; told the exit status and the last line of each.
Course = Generator[Job, tuple[int, str], None]


class Watcher(Protocol):
    """Who is told how far runs are."""

    def reached(self, folder: CellFolder, iteration: int) -> None:
        """A run at work has logged an iteration."""

    def done(self, folder: CellFolder) -> None:
        """A run is done."""

    def failed(self, folder: CellFolder, sentence: str) -> None:
        """A run has failed, and why."""

    def show(self) -> None:
        """Called every now and then."""


@dataclass
class Outcome:
    """How a study went.

    Attributes:
        failures: One sentence for each run that failed.
        signal_number: The signal that stopped it; 0 for none.
    """

    failures: list[str] = field(default_factory=list)
    signal_number: int = 0


@dataclass
class Active:
    """A run at work.

    Attributes:
        folder: Its folder.
        course: Its processes.
        process: The present one.
        signals: Number of stop signals that it was told of.
    """

    folder: CellFolder
    course: Course
    process: Process
    signals: int = 0


@contextmanager
def locked(study: Path) -> Iterator[None]:
    """Keeps other studies out of a folder.

    Raises:
        InputError: One is at work there.
    """
    study.mkdir(parents=True, exist_ok=True)
    lock = FileLock(study / '.lock')
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(f'{study} is in use by another study: wait for it, or write to another folder.') from None
    try:
        yield
    finally:
        lock.release()


def prepare(plan: Plan, study: Path, restart: bool) -> list[CellFolder]:
    """The folders of all runs, none of which belongs to other options.

    Args:
        plan: The study.
        study: Its folder.
        restart: Whether runs of other options are removed.

    Raises:
        InputError: There are such runs, and they are not to be removed.
    """
    folders = [CellFolder(study, cell) for cell in plan.cells]
    changed = [folder for folder in folders if folder.is_changed()]
    if changed and not restart:
        sentence = 'holds a run of other options: use another --out, or give --restart to remove it and begin anew.'
        raise InputError('\n'.join(f'{folder.path} {sentence}' for folder in changed))
    for folder in changed:
        folder.remove()
    return folders


def course_of(folder: CellFolder) -> Course:
    """The processes that a run needs to its end, given what is there already.

    Raises:
        RunFailedError: One of them failed.
    """
    folder.write_options()
    if not is_free(folder.path):
        raise RunFailedError('an earlier process is still at work there: end it, and start again')
    if folder.record() is None:
        folder.forget_what_cannot_be_resumed()
        iteration = folder.unrecorded_validation()
        if iteration is not None:
            yield from _validated_again(folder, iteration)
        check_status(*(yield Job('train', ('-opt', str(folder.train_file), '--auto_resume'))))
        yield from _tested(folder, folder.test_file, folder.results)
        folder.mark_done()
    if sets := folder.untested():
        yield from _tested(folder, folder.write_options_of(sets), folder.results, sets)
        folder.record_tests()


def _validated_again(folder: CellFolder, iteration: int) -> Course:
    """Tests the checkpoint of an iteration for the sake of the learning curve."""
    name = f'{folder.cell.train["name"]}_at_{iteration}'
    file, results = folder.path / 'validation.yml', folder.results.with_name(name)
    write_text(file, as_file({**folder.test_options(f'net_g_{iteration}.pth'), 'name': name}))
    yield from _tested(folder, file, results)
    folder.record_validation(iteration, results)
    file.unlink()
    folder.clear_results()


def _tested(folder: CellFolder, options: Path, results: Path, sets: Sequence[str] | None = None) -> Course:
    """A test whose results are complete: on some of the test sets, or on the validation sets."""
    folder.clear_results()
    status, last_line = yield Job('test', ('-opt', str(options)))
    if incomplete := folder.incomplete(results, sets):
        raise RunFailedError(last_line if status else incomplete)
    check_status(status, last_line)


def check_status(status: int, last_line: str) -> None:
    """Looks at how a process ended.

    Args:
        status: Its exit status, negative for a signal.
        last_line: The last line that it printed.

    Raises:
        RunFailedError: It failed.
    """
    if status < 0:
        raise RunFailedError(f'{signal.Signals(-status).name} ended it')
    if status:
        raise RunFailedError(last_line or f'it ended with status {status}')


class Runner:
    """Runs cells, one on each slot.

    Args:
        folders: The runs, in the order in which they begin.
        slots: Where they run.
        progress: What is told of them.
        finished: Called when a run is done.
        course: The processes of a run.
    """

    def __init__(
        self,
        folders: Sequence[CellFolder],
        slots: Sequence[Slot],
        progress: Watcher,
        finished: Callable[[], object] = lambda: None,
        course: Callable[[CellFolder], Course] | None = None,
    ) -> None:
        self._waiting = deque(folders)
        self._free = list(reversed(slots))
        self._active: dict[Slot, Active] = {}
        self._progress = progress
        self._finished = finished
        self._course_of = course or course_of
        self._signals: list[int] = []
        self._outcome = Outcome()

    def run(self) -> Outcome:
        """Runs all cells; a signal has the processes save and end, a second one ends them at once."""
        with self._stopped_by_signals():
            try:
                while self._active or (self._waiting and not self._signals):
                    self._start()
                    self._pass_signals_on()
                    self._look()
                    time.sleep(_POLL_SECONDS)
            finally:
                for active in self._active.values():
                    active.process.kill()
        self._outcome.signal_number = self._signals[0] if self._signals else 0
        return self._outcome

    def _start(self) -> None:
        while self._free and self._waiting and not self._signals:
            folder, slot = self._waiting.popleft(), self._free.pop()
            self._advance(slot, folder, self._course_of(folder), None)

    def _pass_signals_on(self) -> None:
        for active in self._active.values():
            if active.signals < len(self._signals):
                active.process.kill() if active.signals else active.process.stop()
                active.signals += 1

    def _look(self) -> None:
        for slot, active in list(self._active.items()):
            status = active.process.status()
            self._progress.reached(active.folder, active.process.iteration())
            if status is not None:
                del self._active[slot]
                self._advance(slot, active.folder, active.course, (status, active.process.last_line()))
        self._progress.show()

    def _advance(self, slot: Slot, folder: CellFolder, course: Course, told: tuple[int, str] | None) -> None:
        """Goes on with a run: to its next process, or to its end."""
        if told is not None and self._signals:
            course.close()
            self._free.append(slot)
            return
        try:
            job = next(course) if told is None else course.send(told)
        except StopIteration:
            self._progress.done(folder)
            self._finished()
        except (RunFailedError, InputError, OSError) as error:
            sentence = f'{folder.cell.label} failed: {str(error).rstrip(".")} (see {folder.output}).'
            self._outcome.failures.append(sentence)
            self._progress.failed(folder, sentence)
        else:
            process = Process(job.phase, job.words, folder.path, folder.output, slot)
            self._active[slot] = Active(folder, course, process)
            return
        self._free.append(slot)

    @contextmanager
    def _stopped_by_signals(self) -> Iterator[None]:
        def stop(number: int, frame: FrameType | None) -> None:
            self._signals.append(number)

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
