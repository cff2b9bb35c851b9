"""A study's tables as Markdown, CSV and LaTeX."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from bsr_plugin.markdown import markdown_table, markdown_text
from bsr_plugin.report.study_table_parts import StudyTable, figure_of, sets_of
from bsr_plugin.report.table_formats import latex_text
from bsr_plugin.study.budget import QUARTERS
from bsr_plugin.study.differences import Difference
from bsr_plugin.study.results import StudyResult
from bsr_plugin.study.statistics import Figure

_CSV_COLUMNS = (
    'kind', 'variant', 'reference', 'set', 'image', 'seed', 'metric', 'mean', 'std', 'n', 'low', 'high', 'p',
    'claim', 'verdict', 'quarter', 'iterations',
)  # fmt: skip


def study_to_markdown(tables: Sequence[StudyTable]) -> str:
    """A section for each table."""
    sections = []
    for table in tables:
        heads, *rows = ([markdown_text(word) for word in row] for row in (table.heads, *table.rows))
        lines = markdown_table(heads, rows)
        sections.append('\n'.join([f'## {markdown_text(table.title)}', '', *lines, '', markdown_text(table.below), '']))
    return '\n'.join(sections)


def study_to_latex(tables: Sequence[StudyTable]) -> str:
    """A ``table`` environment for each table, for the package booktabs."""
    return '% needs \\usepackage{booktabs}\n' + '\n'.join(map(_latex_table, tables))


def _latex_table(table: StudyTable) -> str:
    lines = [
        '\\begin{table}',
        f'\\caption{{{_latex_words(f"{table.title}. {table.below}")}}}',
        f'\\begin{{tabular}}{{l{"r" * (len(table.heads) - 1)}}}',
        '\\toprule',
        f'{" & ".join(map(_latex_words, table.heads))} \\\\',
        '\\midrule',
        *(f'{" & ".join(map(_latex_words, row))} \\\\' for row in table.rows),
        '\\bottomrule',
        '\\end{tabular}',
        '\\end{table}',
        '',
    ]
    return '\n'.join(lines)


def _latex_words(text: str) -> str:
    return latex_text(text).replace('±', '$\\pm$').replace('–', '--')  # noqa: RUF001


def study_to_csv(result: StudyResult) -> str:
    """One line for each figure at full length: of sets, of images, of single runs, differences, and claims.

    The kinds of those on test sets begin with ``test``.
    """
    text = io.StringIO()
    lines = csv.DictWriter(text, _CSV_COLUMNS, lineterminator='\n')
    lines.writeheader()
    lines.writerows(_lines(result))
    return text.getvalue()


def _lines(result: StudyResult) -> Iterator[dict[str, Any]]:
    for variant in result.variants:
        for name in sets_of(result):
            for metric in result.metrics:
                figure = figure_of(result, variant, name, metric)
                if figure:
                    yield _line('figure', variant, name, metric, figure)
        for name, images in result.images.get(variant, {}).items():  # a study that is kept has none
            for image, figures in images.items():
                for metric, figure in figures.items():
                    yield {**_line('image', variant, name, metric, figure), 'image': image}
        for seed, sets in result.values[variant].items():
            for name, values in sets.items():
                for metric, value in values.items():
                    run = Figure(value, None, 1)
                    yield {**_line('run', variant, name, metric, run), 'seed': seed}
    yield from (_difference('difference', each) for each in result.differences)
    yield from _quarters(result)
    if result.tests:
        yield from ({**each, 'kind': f'test {each["kind"]}'} for each in _lines(result.tests))
    for claim in result.comparisons:
        yield {'kind': 'claim', 'variant': claim.better, 'reference': claim.than, 'claim': claim.says,
               'verdict': claim.verdict}  # fmt: skip
        yield from ({**_difference('comparison', each), 'claim': claim.says} for each in claim.differences)


def _quarters(result: StudyResult) -> Iterator[dict[str, Any]]:
    """Figures and differences at each quarter of equal seconds."""
    if (budget := result.budget) is None:
        return
    for each in budget.quarters:
        iterations = budget.iterations[each.variant] * each.quarter // QUARTERS
        at = {'set': each.set, 'quarter': each.quarter, 'iterations': iterations}
        yield {**_line('quarter', each.variant, each.set, each.metric, each.figure), **at}
        if each.difference is not None:
            compared = Difference(each.variant, result.reference, each.set, each.metric, **asdict(each.difference))
            yield {**_difference('quarter difference', compared), **at}


def _difference(kind: str, difference: Difference) -> dict[str, Any]:
    keys = ('variant', 'reference', 'set', 'metric', 'mean', 'low', 'high', 'n', 'p')
    return {'kind': kind, **{key: getattr(difference, key) for key in keys}}


def _line(kind: str, variant: str, name: str, metric: str, figure: Figure) -> dict[str, Any]:
    numbers = {'mean': figure.mean, 'std': figure.std, 'n': figure.n}
    return {'kind': kind, 'variant': variant, 'set': name, 'metric': metric, **numbers}
