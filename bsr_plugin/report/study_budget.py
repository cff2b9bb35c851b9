"""Tables of a study of equal seconds: iterations, and figures at each quarter."""

from collections.abc import Mapping

from bsr_plugin.report.study_table_parts import (
    PAIRED,
    StudyTable,
    both_text,
    interval_text,
    label_of,
    places_of,
    sets_of,
)
from bsr_plugin.study.budget import QUARTERS
from bsr_plugin.study.quarters import Budget
from bsr_plugin.study.results import StudyResult


def budget_tables(budget: Budget, result: StudyResult) -> list[StudyTable]:
    """Iterations of every variant; for every metric figures and differences at each quarter of the seconds."""
    rows = [[variant, f'{count:,}', f'{budget.rates[variant]:.4g}'] for variant, count in budget.iterations.items()]
    below = (
        'Every variant was timed before the runs, with as many trainings beside it as they have, and gets the '
        'iterations that fit. Validations and checkpoints are not counted.'
    )
    heads = ['variant', 'iterations', 'iterations per second']
    tables = [StudyTable(f'Iterations within {budget.seconds:g} seconds', heads, rows, below)]
    for metric in result.metrics:
        tables += _at_quarters(budget, result, metric)
    return tables


def _at_quarters(budget: Budget, result: StudyResult, metric: str) -> list[StudyTable]:
    """Figures and differences on the mean of all sets, or on the only one."""
    name = next(reversed(sets_of(result)), '')
    found = [each for each in budget.quarters if (each.set, each.metric) == (name, metric)]
    options = result.metrics[metric]
    title, places = f'{label_of(metric, result.metrics)} after so many seconds, {name}', places_of(options)
    heads = ['variant', *(f'{budget.seconds * number / QUARTERS:g} s' for number in range(1, QUARTERS + 1))]
    figures = _rows({(each.variant, each.quarter): both_text(each.figure, places) for each in found})
    compared = [each for each in found if each.variant != result.reference]
    differences = _rows({(each.variant, each.quarter): interval_text(each.difference, places) for each in compared})
    tables = [
        StudyTable(title, heads, figures, 'Mean ± standard deviation over the seeds.', metric),
        StudyTable(f'{title}, difference from {result.reference}', heads, differences, PAIRED, metric),
    ]
    return [table for table in tables if table.rows]


def _rows(texts: Mapping[tuple[str, int], str]) -> list[list[str]]:
    """A row for each variant, from texts by variant and quarter."""
    variants = dict.fromkeys(variant for variant, _ in texts)
    return [[variant, *(texts.get((variant, number), '') for number in range(1, QUARTERS + 1))] for variant in variants]
