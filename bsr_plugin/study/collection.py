"""Gathers the runs of a study as they get done."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from bsr_plugin.study.budget import within_budget
from bsr_plugin.study.folder import CellFolder
from bsr_plugin.study.planning import Plan, plan_study
from bsr_plugin.study.record import RunRecord, write_record
from bsr_plugin.study.results import StudyResult, study_result, write_study
from bsr_plugin.study.timing import Rates


class Collection:
    """The runs that are trained and tested; each is read once, or as long as it is still to be tested on test sets.

    Args:
        plan: The study.
        folders: The folders of all runs.
    """

    def __init__(self, plan: Plan, folders: Sequence[CellFolder]) -> None:
        self._plan = plan
        self._folders = folders
        self._runs: dict[Path, RunRecord] = {}
        self._done: set[Path] = set()

    def result(self) -> StudyResult:
        """What the runs that are done by now have found."""
        for folder in self._folders:
            if folder.path not in self._done and (record := folder.record()) is not None:
                self._runs[folder.path] = record.with_mean_of_sets()
                if not folder.untested():
                    self._done.add(folder.path)
        return study_result(self._plan, list(self._runs.values()))

    def write(self, study: Path) -> StudyResult:
        """Writes ``study.json`` of the runs that are done by now."""
        result = self.result()
        write_study(study, result)
        return result

    def keep_records(self, study: Path) -> None:
        """Keeps the records of the runs that are done in another study's folder, in the place of those there.

        They are without the figures of single images. There they make these runs done ones, for a study that goes on.
        """
        kept = {CellFolder(study, folder.cell).record_file: folder.record() for folder in self._folders}
        shutil.rmtree(study / 'runs', ignore_errors=True)
        for file, record in kept.items():
            if record is not None:
                write_record(file, record.without_images())


def collected(file: Path, study: Path) -> Collection:
    """The runs of a study so far, whether it is at work or not; nothing is started and nothing written.

    Args:
        file: The study file; its data sets need not be there.
        study: Folder of the study.

    Raises:
        InputError: The study file is wrong, or a variant of a study of equal seconds has not been timed.
    """
    plan = plan_study(file, check_paths=False)
    if plan.seconds is not None:
        plan = within_budget(plan, Rates(study, plan).of_all())
    return Collection(plan, [CellFolder(study, cell) for cell in plan.cells])
