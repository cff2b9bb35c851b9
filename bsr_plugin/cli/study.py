"""``bsr study``: a grid of variants and seeds, trained, tested and compared."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bsr_plugin.cli.output import EXIT_DONE, EXIT_PARTLY, count_of, table
from bsr_plugin.errors import InputError

if TYPE_CHECKING:
    from bsr_plugin.report.study_table_parts import StudyTable
    from bsr_plugin.study.folder import CellFolder
    from bsr_plugin.study.planning import Plan
    from bsr_plugin.study.results import StudyResult
    from bsr_plugin.study.running import Outcome

EXAMPLE = 'bsr study options/studies/sampling_sample_x2.yml --out studies/sampling --jobs 2'

#: What a shell gives a program that a signal ended.
_SIGNALLED = 128


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument('file', type=Path, metavar='STUDY', help='study file: name, base, seeds, reference, variants')
    parser.add_argument(
        '--out', type=Path, metavar='DIR', help='gets runs/, study.json, index.html, tables.md, tables.csv, tables.tex'
    )
    parser.add_argument(
        '--jobs', type=int, metavar='N', help='runs at a time (default: one on each GPU, or one on each core)'
    )
    parser.add_argument('--list', action='store_true', help='check everything, list the runs, and start none')
    restart = (
        'remove the runs whose options have changed since, and begin them anew; with seconds, time all variants anew'
    )
    parser.add_argument('--restart', action='store_true', help=restart)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command.

    Raises:
        InputError: The study file or its options are wrong, or the folder is in use or holds runs of other options.
    """
    from bsr_plugin.options.machine import absent_sets, left_out
    from bsr_plugin.report.study_build import build_study_report
    from bsr_plugin.study.folder import CellFolder
    from bsr_plugin.study.planning import plan_study

    plan = plan_study(arguments.file)
    test_sets = plan.cells[0].test_on(plan.test_sets)
    for key in absent_sets(test_sets):
        print(left_out(test_sets['datasets'][key]))
    if arguments.list:
        plan = _as_far_as_timed(plan, arguments.out)
        print(_listing([CellFolder(arguments.out or Path(), cell) for cell in plan.cells], bool(arguments.out)))
        return EXIT_DONE
    if arguments.out is None:
        raise InputError('--out is missing: name the folder of the study.')
    outcome, result = _run(plan, arguments)
    if result is not None:
        print(tables_text(build_study_report(result, arguments.out)))
        print(arguments.out / 'index.html')
    print('\n'.join(outcome.failures), end='\n' if outcome.failures else '')
    if outcome.signal_number:
        # With --restart the rates would be taken anew, and with them all runs that are done.
        is_timed = plan.seconds is not None and result is not None
        print(f'stopped; run the same command{" without --restart" * (arguments.restart and is_timed)} to continue')
        return _SIGNALLED + outcome.signal_number
    return EXIT_PARTLY if outcome.failures else EXIT_DONE


def tables_text(tables: Sequence['StudyTable']) -> str:
    """Tables as they are printed."""
    return '\n'.join(f'{each.title}\n{table(each.heads, each.rows)}\n' for each in tables)


def _run(plan: 'Plan', arguments: argparse.Namespace) -> tuple['Outcome', 'StudyResult | None']:
    from bsr_plugin.study.budget import within_budget
    from bsr_plugin.study.collection import Collection
    from bsr_plugin.study.progress import Progress
    from bsr_plugin.study.running import Runner, locked, prepare
    from bsr_plugin.study.slots import slots, visible_gpus
    from bsr_plugin.study.timing import Rates, time_variants

    gpus = visible_gpus() if any(cell.train['num_gpu'] != 0 for cell in plan.cells) else []
    places = slots(arguments.jobs, gpus)
    with locked(arguments.out):
        if plan.seconds is not None:
            rates = Rates(arguments.out, plan)
            if arguments.restart:
                rates.forget()
            timed = time_variants(arguments.out, plan, rates, places)
            if timed.failures or timed.signal_number:
                return timed, None
            plan = within_budget(plan, rates.known())
        folders = prepare(plan, arguments.out, arguments.restart)
        progress = Progress(folders)
        waiting = [folder for folder in folders if not folder.is_done()]
        collection = Collection(plan, folders)
        try:
            outcome = Runner(waiting, places, progress, lambda: collection.write(arguments.out)).run()
        finally:
            progress.close()
        return outcome, collection.write(arguments.out)


def _as_far_as_timed(plan: 'Plan', out: Path | None) -> 'Plan':
    """A plan of equal seconds with the iterations that its folder knows of, if it knows those of all variants."""
    from bsr_plugin.study.budget import within_budget
    from bsr_plugin.study.timing import Rates

    if plan.seconds is None or out is None:
        return plan
    rates = Rates(out, plan)
    return plan if rates.missing() else within_budget(plan, rates.known())


def _listing(folders: Sequence['CellFolder'], has_folder: bool) -> str:
    rows = [(folder.cell.variant, str(folder.cell.seed), _state(folder, has_folder)) for folder in folders]
    total = sum(folder.cell.iterations for folder in folders)
    return f'{table(("variant", "seed", ""), rows)}\n{count_of(len(folders), "run")}, {total:,} iterations'


def _state(folder: 'CellFolder', has_folder: bool) -> str:
    total = f'{folder.cell.iterations:,} iterations'
    if not has_folder:
        return total
    if folder.is_changed():
        return 'of other options'
    if folder.record() is not None:
        return f'to be tested on {", ".join(sets)}' if (sets := folder.untested()) else 'done'
    return f'{folder.iteration():,} of {total}'
