"""``bsr report``: test results beside the paper's, as tables and as a page."""

import argparse
from pathlib import Path

from bsr_plugin.cli.output import EXIT_DONE, EXIT_PARTLY, table
from bsr_plugin.cli.study import tables_text
from bsr_plugin.errors import InputError
from bsr_plugin.report.table_formats import both_texts
from bsr_plugin.report.table_model import Cell

EXAMPLE = 'bsr report results/test_BSR_x2 results/test_BSR_x4 --out report'

EXAMPLES, TITLE = 3, 'BSR: test results'

#: What tells the folder of a study from one of results.
STUDY_FILE = 'study.json'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    results = 'folders results/<name>, whose differences are from the first; or one study, alone with --out'
    parser.add_argument('results', nargs='+', type=Path, metavar='RESULTS', help=results)
    files = 'gets index.html, tables.md, tables.csv and tables.tex'
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help=files)
    log = 'TensorBoard log tb_logger/<name> to show in addition to those of the tested weights; repeatable'
    parser.add_argument('--log', type=Path, action='append', default=[], metavar='DIR', help=log)
    store = 'store whose PIC is shown (default: of the training set)'
    parser.add_argument('--pic', type=Path, metavar='LR_STORE', help=store)
    parser.add_argument('--examples', type=int, metavar='N', help=f'pictures of every set (default {EXAMPLES})')
    parser.add_argument('--title', metavar='TEXT', help=f'heading of the page (default: {TITLE})')


def run(arguments: argparse.Namespace) -> int:
    """Runs the command.

    Raises:
        InputError: A folder holds no results, or a study is not alone.
    """
    studies = [folder for folder in arguments.results if (folder / STUDY_FILE).is_file()]
    if studies and len(arguments.results) > 1:
        raise InputError(f'{studies[0]} holds a study, which has a page of its own: name it alone.')
    if studies and (given := _of_results_only(arguments)):
        raise InputError(f'{studies[0]} holds a study, for whose page there is no {" or ".join(given)}: leave it out.')
    return _report_study(studies[0], arguments.out) if studies else _report(arguments)


def _of_results_only(arguments: argparse.Namespace) -> list[str]:
    """Arguments that were given and that the page of a study has no use for."""
    own = ('log', 'pic', 'examples', 'title')
    return [f'--{name}' for name in own if getattr(arguments, name) not in (None, [])]


def _report_study(folder: Path, out: Path) -> int:
    from bsr_plugin.report.study_build import build_study_report
    from bsr_plugin.study.results import read_study_result

    result = read_study_result(folder)
    print(tables_text(build_study_report(result, out)))
    print(out / 'index.html')
    return EXIT_DONE


def _report(arguments: argparse.Namespace) -> int:
    from bsr_plugin.report.build import build_report

    report = build_report(
        arguments.results,
        arguments.out,
        logs=arguments.log,
        pic_store=arguments.pic,
        examples=EXAMPLES if arguments.examples is None else max(0, arguments.examples),
        title=TITLE if arguments.title is None else arguments.title,
    )
    for comparison in report.tables:
        print(f'{comparison.title}. {comparison.legend}')
        rows = [(row.method, *(_summary(row.cells.get(name)) for name in comparison.sets)) for row in comparison.rows]
        print(table(('', *comparison.sets), rows), end='\n\n')
    for warning in report.warnings:
        print(f'Warning: {warning}')
    for problem in report.problems:
        print(f'Left out: {problem}')
    print(f'{arguments.out / "index.html"}')
    return EXIT_PARTLY if report.problems else EXIT_DONE


def _summary(cell: Cell | None) -> str:
    if cell is None:
        return ''
    figures = ' '.join(both_texts(cell)[: 1 if cell.ssim is None else 2])
    return f'{figures} ({cell.psnr_rank})' if cell.psnr_rank else figures
