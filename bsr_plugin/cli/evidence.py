"""``bsr evidence``: the page of all studies that a repository keeps."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bsr_plugin.cli.output import EXIT_DONE
from bsr_plugin.errors import InputError

if TYPE_CHECKING:
    from bsr_plugin.study.collection import Collection

EXAMPLE = 'bsr evidence docs/studies --out docs/evidence.md --take options/studies/claims_291_x2.yml=studies/claims'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    folder = 'introduction.md, open.md, and a folder for each study: study.json, about.md'
    parser.add_argument('studies', type=Path, metavar='STUDIES', help=folder)
    parser.add_argument('--out', type=Path, required=True, metavar='FILE', help='the page, a Markdown file')
    take = (
        'first take what the runs of a study that are done have found, on the machine that they were made on, into '
        'STUDIES/<name of the study file>, and the records of its runs; repeatable'
    )
    parser.add_argument('--take', action='append', default=[], metavar='STUDY.yml=DIR', help=take)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command.

    Raises:
        InputError: A study cannot be taken, or there is none.
    """
    from bsr_plugin.report.evidence import build_evidence, check_page, keep_study

    check_page(arguments.studies, arguments.out)
    # All are read before the first is written.
    for kept, runs in [_taken(word, arguments.studies) for word in arguments.take]:
        result = runs.result()
        keep_study(kept, result)
        runs.keep_records(kept)
        print(f'{kept.name}: {result.done} of {result.planned} runs')
    for path in build_evidence(arguments.studies, arguments.out):
        print(path)
    return EXIT_DONE


def _taken(word: str, studies: Path) -> tuple[Path, 'Collection']:
    """The folder that a study is to be kept in, and its runs.

    Raises:
        InputError: The word is wrong, or the runs are not those of the study file, or fewer than are kept.
    """
    from bsr_plugin.study.collection import collected

    file, equals, folder = word.partition('=')
    if not equals or not Path(folder, 'runs').is_dir():
        raise InputError(f'--take {word}: write it as STUDY.yml=DIR, DIR being the folder of a study with its runs.')
    kept, runs = studies / Path(file).stem, collected(Path(file), Path(folder))
    if not runs.result().done:
        raise InputError(f'--take {word}: no run of {file} is done in {folder}: run bsr study first.')
    runs.check_others(kept)
    return kept, runs
