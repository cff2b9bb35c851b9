"""``docs/evidence.md``: what the studies that are kept in the repository have found.

The folder of the studies holds ``introduction.md`` and ``open.md``, and for each study a folder of its own with
``study.json`` and ``about.md``, its question; figures are drawn into it. Texts are written by hand, figures never. What
was taken with its runs has their records, too, in ``runs/``, from which the study goes on elsewhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jinja2 import Environment

from bsr_plugin.atomic import write_text
from bsr_plugin.errors import InputError
from bsr_plugin.markdown import markdown_row, markdown_table, markdown_text
from bsr_plugin.report.study_figures import claims_figure, learning_curves_figure
from bsr_plugin.report.study_table_parts import StudyTable, sets_of
from bsr_plugin.report.study_tables import CLAIMS, study_tables
from bsr_plugin.report.study_times import seconds_table
from bsr_plugin.report.style import svg_file
from bsr_plugin.report.template import source
from bsr_plugin.study.claims import main_metric
from bsr_plugin.study.results import FILE_NAME, StudyResult, read_study_result, write_study

_INTRODUCTION, _OPEN = 'introduction.md', 'open.md'
_LARGEST_FIGURE = 300_000


@dataclass(frozen=True)
class KeptStudy:
    """A study that is kept in the repository.

    Attributes:
        folder: Its folder.
        result: What it has found.
        about: What was asked, in Markdown.
    """

    folder: Path
    result: StudyResult
    about: str


def keep_study(folder: Path, result: StudyResult) -> None:
    """Keeps what a study has found, without the figures of single images."""
    folder.mkdir(parents=True, exist_ok=True)
    tests = result.tests and replace(result.tests, images={}, with_images={})
    write_study(folder, replace(result, images={}, with_images={}, tests=tests))
    about = folder / 'about.md'
    if not about.exists():
        write_text(about, f'{result.name}.\n')


def check_page(studies: Path, out: Path) -> None:
    """Looks for the texts, and whether the page lies where its links lead to the studies.

    Raises:
        InputError: A text is missing, or the page lies elsewhere.
    """
    for name in (_INTRODUCTION, _OPEN):
        _text(studies / name)
    base = out.resolve().parent
    if not studies.resolve().is_relative_to(base):
        raise InputError(f'{studies} is not in {base}: write the page beside the folder of the studies, or above it.')


def build_evidence(studies: Path, out: Path) -> list[Path]:
    """Writes the page, and the figures into the folders of the studies.

    Args:
        studies: Folder of the studies; it lies beside the page or below it.
        out: The page, a Markdown file.

    Returns:
        All files that were written.

    Raises:
        InputError: The folder holds no study, or lies elsewhere, or a text is missing.
    """
    check_page(studies, out)
    kept = [_read(file.parent) for file in sorted(studies.glob(f'*/{FILE_NAME}'))]
    if not kept:
        raise InputError(f'{studies} holds no study: bsr evidence --take STUDY.yml=DIR brings one.')
    base = out.resolve().parent
    figures = {path: text for study in kept for path, text in _figures(study)}
    for path, text in figures.items():
        if len(text) > _LARGEST_FIGURE:
            raise InputError(f'{path} would have {len(text):,} bytes: {_LARGEST_FIGURE:,} is the most for a figure.')
        write_text(path, text)
    environment = Environment(trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    page = environment.from_string(source('evidence.md')).render(
        introduction=_text(studies / _INTRODUCTION),
        still_open=_text(studies / _OPEN),
        studies=[_section(study, base, list(figures)) for study in kept],
        runs=sum(study.result.done for study in kept),
        distinct=len({repr(values) for study in kept for values in _values_of_runs(study.result)}),
        folder=studies.resolve().relative_to(base.parent).as_posix(),
    )
    write_text(out, page)
    return [out, *figures]


def _read(folder: Path) -> KeptStudy:
    return KeptStudy(folder, read_study_result(folder), _text(folder / 'about.md'))


def _values_of_runs(result: StudyResult) -> Iterator[dict[str, dict[str, float | None]]]:
    """What each run ended with; a run that is in two studies gives the same values twice."""
    for seeds in result.values.values():
        yield from seeds.values()


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding='utf-8').strip()
    except OSError as error:
        raise InputError(f'{file} cannot be read ({error.strerror}): write it, it is a part of the page.') from error
    except UnicodeDecodeError as error:
        raise InputError(f'{file} is not UTF-8 at byte {error.start}: save it as UTF-8.') from error


def _figures(study: KeptStudy) -> Iterator[tuple[Path, str]]:
    """The forest plot of the claims, and the learning curves on the mean of all sets."""
    result = study.result
    metric, name = main_metric(result.metrics), next(reversed(sets_of(result)), None)
    if metric is None or name is None:
        return
    drawn = {'claims': claims_figure(result, metric), 'curves': learning_curves_figure(result, metric, only=name)}
    for title, figure in drawn.items():
        if figure is not None:
            yield study.folder / f'{title}.svg', svg_file(figure, f'{study.folder.name}-{title}')


def _section(study: KeptStudy, base: Path, figures: list[Path]) -> dict[str, Any]:
    """What the template shows of a study."""
    tables = study_tables(study.result)
    claims = [table for table in tables if table.title == CLAIMS]
    titles = {'claims': 'Differences of the claims', 'curves': 'Learning curves'}
    return {
        'title': study.result.name,
        'about': study.about,
        'measured': _measured(study.result),
        'claims': [line for table in claims for line in _words(table)],
        'figures': [
            {'title': titles[path.stem], 'path': path.resolve().relative_to(base).as_posix()}
            for path in figures
            if path.parent == study.folder
        ],
        'tables': [_table(table) for table in _shown(study.result, tables)],
    }


def _shown(result: StudyResult, tables: list[StudyTable]) -> list[StudyTable]:
    """The tables of the metric that decides, and those without one; the claims stand before them."""
    metric = main_metric(result.metrics)
    shown = [table for table in tables if table.title != CLAIMS and table.metric in (metric, None)]
    # Whether the seconds were equal.
    seconds = seconds_table(result) if result.budget else None
    return [*shown, seconds] if seconds else shown


def _measured(result: StudyResult) -> str:
    """How it was measured, in a line."""
    seeds = ', '.join(map(str, result.seeds))
    parts = [
        f'{result.done} of {result.planned} runs done',
        f'seeds {seeds}',
        f'differences from {result.reference}',
        *(part for part in (result.times.machine, result.times.finished) if part),
    ]
    return f'*{markdown_text("; ".join(parts))}*'


def _table(table: StudyTable) -> dict[str, Any]:
    title, below = map(markdown_text, (table.title, table.below))
    return {'title': title, 'below': below, 'rows': _lines(table)}


def _lines(table: StudyTable) -> list[str]:
    heads, *rows = _cells(table)
    return markdown_table(heads, rows)


def _words(table: StudyTable) -> list[str]:
    """The lines of a table of sentences, flush left, and of q."""
    heads, *rows = _cells(table)
    return [markdown_row(row) for row in (heads, ['---:' if head == 'q' else '---' for head in heads], *rows)]


def _cells(table: StudyTable) -> list[list[str]]:
    return [[markdown_text(word) for word in row] for row in (table.heads, *table.rows)]
