"""Gathers the runs of a study as they get done."""

from collections.abc import Sequence
from pathlib import Path

from bsr_plugin.study.folder import CellFolder
from bsr_plugin.study.planning import Plan
from bsr_plugin.study.record import RunRecord
from bsr_plugin.study.results import StudyResult, study_result, write_study


class Collection:
    """The runs that are done; each is read once.

    Args:
        plan: The study.
        study: Its folder.
        folders: The folders of all runs.
    """

    def __init__(self, plan: Plan, study: Path, folders: Sequence[CellFolder]) -> None:
        self._plan = plan
        self._study = study
        self._folders = folders
        self._runs: dict[Path, RunRecord] = {}

    def write(self) -> StudyResult:
        """Writes ``study.json`` of the runs that are done by now."""
        for folder in self._folders:
            if folder.path not in self._runs and (record := folder.record()) is not None:
                self._runs[folder.path] = record.with_mean_of_sets()
        result = study_result(self._plan, list(self._runs.values()))
        write_study(self._study, result)
        return result
