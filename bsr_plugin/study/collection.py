"""Gathers the runs of a study as they get done."""

from collections.abc import Sequence
from pathlib import Path

from bsr_plugin.errors import InputError
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

    def check_others(self, study: Path) -> None:
        """Looks for records in another folder of the study that this one would not replace.

        Raises:
            InputError: There is one.
        """
        own = {CellFolder(study, folder.cell).record_file for folder in self._folders if folder.record() is not None}
        if others := sorted(set(study.glob('runs/*/*/record.json')) - own):
            raise InputError(
                f'{others[0]} is of a run that is not done in the folder to be taken: copy it there, or remove it.'
            )

    def keep_records(self, study: Path) -> None:
        """Copies the records to another folder of the study, where they make their runs done ones."""
        for folder in self._folders:
            file, record = CellFolder(study, folder.cell).record_file, folder.record()
            if record is not None and file.resolve() != folder.record_file.resolve():
                write_record(file, record)


def collected(file: Path, study: Path) -> Collection:
    """The runs of a study so far, whether it is at work or not; nothing is started and nothing written.

    Args:
        file: The study file; its data sets need not be there.
        study: Folder of the study.

    Raises:
        InputError: The study file is wrong, or not that of the folder, or a variant of a study of equal seconds has not
            been timed.
    """
    plan = plan_study(file, check_paths=False)
    if plan.seconds is not None:
        plan = within_budget(plan, Rates(study, plan).of_all())
    folders = [CellFolder(study, cell) for cell in plan.cells]
    if changed := [folder.path for folder in folders if folder.is_changed()]:
        sentence = f'holds a run of other options than {file} has: name the file that it was made with.'
        raise InputError(f'{changed[0]} {sentence}')
    return Collection(plan, folders)
