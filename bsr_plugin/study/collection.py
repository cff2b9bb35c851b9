"""Gathers the runs of a study as they get done."""

import datetime
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bsr_plugin.study.budget import within_budget
from bsr_plugin.study.folder import CellFolder
from bsr_plugin.study.planning import Plan, plan_study
from bsr_plugin.study.record import RunRecord
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
        self._finished = 0.0

    def result(self) -> StudyResult:
        """What the runs that are done by now have found."""
        for folder in self._folders:
            if folder.path not in self._done and (record := folder.record()) is not None:
                self._runs[folder.path] = record.with_mean_of_sets()
                self._finished = max(self._finished, folder.done_at())
                if not folder.untested():
                    self._done.add(folder.path)
        result = study_result(self._plan, list(self._runs.values()))
        day = datetime.datetime.fromtimestamp(self._finished, datetime.timezone.utc).date().isoformat()
        times = replace(result.times, finished=day if self._runs else None)
        return replace(result, times=times)

    def write(self, study: Path) -> StudyResult:
        """Writes ``study.json`` of the runs that are done by now."""
        result = self.result()
        write_study(study, result)
        return result


def collected(file: Path, study: Path) -> StudyResult:
    """What a study has found so far, whether it is at work or not; nothing is started and nothing written.

    Args:
        file: The study file; its data sets need not be there.
        study: Folder of the study.

    Raises:
        InputError: The study file is wrong, or a variant of a study of equal seconds has not been timed.
    """
    plan = plan_study(file, check_paths=False)
    if plan.seconds is not None:
        plan = within_budget(plan, Rates(study, plan).of_all())
    return Collection(plan, [CellFolder(study, cell) for cell in plan.cells]).result()
