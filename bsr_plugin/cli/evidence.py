"""``bsr evidence``: the page of all studies that a repository keeps."""

import argparse
from pathlib import Path

from bsr_plugin.cli.output import EXIT_DONE
from bsr_plugin.errors import InputError

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
    from bsr_plugin.report.evidence import build_evidence, keep_study
    from bsr_plugin.study.collection import collected

    for word in arguments.take:
        file, equals, folder = word.partition('=')
        if not equals or not Path(folder, 'runs').is_dir():
            raise InputError(
                f'--take {word}: write it as STUDY.yml=DIR, DIR being the folder of a study with its runs.'
            )
        runs, kept = collected(Path(file), Path(folder)), arguments.studies / Path(file).stem
        result = runs.result()
        keep_study(kept, result)
        runs.keep_records(kept)
        print(f'{Path(file).stem}: {result.done} of {result.planned} runs')
    for path in build_evidence(arguments.studies, arguments.out):
        print(path)
    return EXIT_DONE
