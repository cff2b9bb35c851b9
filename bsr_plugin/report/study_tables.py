"""A study's tables: claims, figures of every variant, differences from the reference, iterations to its figure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bsr_plugin.report.study_budget import budget_tables
from bsr_plugin.report.study_table_parts import (
    PAIRED,
    StudyTable,
    both_text,
    figure_of,
    interval_text,
    label_of,
    names_of,
    places_of,
    sets_of,
)
from bsr_plugin.report.table_formats import figure_text
from bsr_plugin.study.claims import Claim, decisive, main_metric
from bsr_plugin.study.record import ALL_SETS
from bsr_plugin.study.results import Reach, StudyResult
from bsr_plugin.study.statistics import false_discovery_rates

#: Title of the table of the claims.
CLAIMS = 'Claims'


def study_tables(result: StudyResult) -> list[StudyTable]:
    """All tables: the claims; for every metric figures and differences; the iterations to the reference's PSNR; and the
    differences of the claims, figures and differences on the test sets.
    """
    tables = _claims(result)
    for metric in result.metrics:
        tables += [_figures(result, metric), *_differences(result, metric)]
    if result.budget is None:
        tables += reach_tables(result.reach, result, 'iterations')
    else:
        tables += budget_tables(result.budget, result)
    of_tests = study_tables(result.tests) if result.tests else []
    return tables + [replace(each, title=f'{each.title}, test sets') for each in of_tests if each.title != CLAIMS]


def _figures(result: StudyResult, metric: str) -> StudyTable:
    sets, options = sets_of(result), result.metrics[metric]
    rows = []
    for variant in result.variants:
        figures = [figure_of(result, variant, name, metric) for name in sets]
        runs = figures[0].n if figures and figures[0] else 0
        rows.append([variant, *(both_text(each, places_of(options)) for each in figures), str(runs)])
    below = f'Mean ± standard deviation over n seeds; {result.done} of {result.planned} runs are done.'
    return StudyTable(
        f'{label_of(metric, result.metrics)} of the final networks', ['variant', *sets, 'n'], rows, below, metric
    )


def _differences(result: StudyResult, metric: str) -> list[StudyTable]:
    sets, options = sets_of(result), result.metrics[metric]
    found = {(each.variant, each.set): each for each in result.differences if each.metric == metric}
    variants = dict.fromkeys(variant for variant, _ in found)
    rows = []
    for variant in variants:
        row = [found[variant, name] for name in sets]
        rows.append([variant, *(interval_text(each, places_of(options)) for each in row), str(row[0].n)])
    title = f'{label_of(metric, result.metrics)}, difference from {result.reference}'
    return [StudyTable(title, ['variant', *sets, 'n'], rows, PAIRED, metric)] if rows else []


def _claims(result: StudyResult) -> list[StudyTable]:
    """What the study says of each claim; then the differences of their variants on every set."""
    metric = main_metric(result.metrics)
    if not result.comparisons or metric is None:
        return []
    sets, options = sets_of(result), result.metrics[metric]
    label = label_of(metric, result.metrics)
    heads, rows = ['claim', 'variants'], [[each.says, f'{each.better} vs {each.than}'] for each in result.comparisons]
    for found in filter(None, (result, result.tests)):
        heads += ['here' if found is result else f'on {names_of(found)}', 'q']
        rows = [[*row, *verdict] for row, verdict in zip(rows, _verdicts(found), strict=True)]
    by = f'By the difference in {label}, {ALL_SETS}' if ALL_SETS in sets else f'By the difference in {label}'
    below = (
        f'{by}, with its 95 % confidence interval. q is the p-value corrected for the number of claims in its column '
        '(Benjamini and Hochberg): of those with q up to 0.05 one in twenty at most is expected to be chance.'
    )
    tables = [StudyTable(CLAIMS, heads, rows, below)]
    pairs = {(each.better, each.than): each for each in result.comparisons}
    rows = [[f'{better} vs {than}', *_row(pairs[better, than], metric, options, sets)] for better, than in pairs]
    rows = [row for row in rows if row[-1] != '0']
    title = f'{label}, difference between the variants of the claims'
    return [*tables, StudyTable(title, ['variants', *sets, 'n'], rows, PAIRED, metric)] if rows else tables


def _verdicts(result: StudyResult) -> list[tuple[str, str]]:
    """Of each claim the verdict and q."""
    deciding = [decisive(each.differences, result.metrics) for each in result.comparisons]
    rates = false_discovery_rates([each.p if each else None for each in deciding])
    shown = ('' if rate is None else f'{rate:.2g}' for rate in rates)
    return [(each.verdict, rate) for each, rate in zip(result.comparisons, shown, strict=True)]


def _row(claim: Claim, metric: str, options: Mapping[str, Any], sets: Sequence[str]) -> list[str]:
    """A claim's difference on each set, and the number of seeds."""
    found = {each.set: each for each in claim.differences if each.metric == metric}
    runs = next(iter(found.values())).n if found else 0
    return [*(interval_text(found.get(name), places_of(options)) for name in sets), str(runs)]


def reach_tables(reach: Sequence[Reach], result: StudyResult, unit: str) -> list[StudyTable]:
    """When the variants reach the reference's final PSNR, in iterations or seconds; none where no run is done."""
    sets = sets_of(result)
    found = {(each.variant, each.set): each for each in reach}
    rows = [
        [variant, *(_reach_text(found.get((variant, name))) for name in sets)]
        for variant in dict.fromkeys(variant for variant, _ in found)
    ]
    if not rows:
        return []
    metric = reach[0].metric
    label = label_of(metric, result.metrics)
    below = (
        'From the learning curve of each seed, with straight lines between validations: when it first reaches the '
        f'figure that {result.reference} of the same seed ends with. Median; in brackets, of how many seeds it does.'
    )
    title = f'{unit.capitalize()} to the final {label} of {result.reference}'
    return [StudyTable(title, ['variant', *sets], rows, below, metric)]


def _reach_text(reach: Reach | None) -> str:
    if reach is None:
        return figure_text(None, 0)
    reached = sum(value is not None for value in reach.seeds.values())
    median = 'never' if reach.median is None else f'{reach.median:,.0f}'
    return f'{median} ({reached} of {len(reach.seeds)})'
