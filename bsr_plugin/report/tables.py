"""Measured figures in the paper's tables: ranks, differences, and what does not compare."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np

from bsr_plugin.data.degradation import Degradation
from bsr_plugin.evaluation.results import Kind, RunResult, SetResult
from bsr_plugin.report.baselines import BaselineKey, baseline_of
from bsr_plugin.report.bicubic import Quality, mean_quality
from bsr_plugin.report.cost import UNKNOWN, Cost, published_cost
from bsr_plugin.report.published import SET_SIZES, paper_name, published
from bsr_plugin.report.shipped import ShippedModel
from bsr_plugin.report.table_model import BICUBIC, PLACES, Cell, Row, Table, difference

#: The row of table 4 that has everything.
BASELINE = 'BSR baseline'
_ABLATION = ('Set5', 4, 'bicubic')


def comparison_tables(
    runs: Sequence[RunResult],
    baselines: Mapping[BaselineKey, Quality],
    shipped: Sequence[ShippedModel] = (),
    costs: Mapping[str, Cost] | None = None,
) -> list[Table]:
    """Tables 2 and 3, one table for each scale and degradation that was measured.

    Every row of the same scale that is published or ships is there, with the sets that were measured; sets without a
    scale have no table. The names of the runs differ; differences refer to the first of a table.

    Args:
        runs: Test runs.
        baselines: Bicubic interpolation of their images.
        shipped: Networks that ship.
        costs: Name of a run -> what its network costs.
    """
    parts = [part for run in runs for part in run.sets if part.images]
    shapes = sorted({(part.degradation, part.factor) for part in parts if part.scale is not None})
    tables = [_comparison(runs, baselines, shape, shipped, costs or {}) for shape in shapes]
    return sorted(tables, key=lambda table: (table.number is None, table.number))


def _comparison(
    runs: Sequence[RunResult],
    baselines: Mapping[BaselineKey, Quality],
    shape: tuple[Degradation, int],
    shipped: Sequence[ShippedModel],
    costs: Mapping[str, Cost],
) -> Table:
    degradation, scale = shape
    measured: dict[str, dict[str, Cell]] = {}
    bicubic: dict[str, Cell] = {}
    for run in runs:
        for part in run.sets:
            if part.images and (part.degradation, part.scale) == shape:
                cells = measured.setdefault(run.name, {})
                name = paper_name(part.name)
                # A second spelling of a published set, such as set5, is a set of its own.
                name = part.name if name in cells else name
                cells[name] = _measured_cell(run, part, baselines)
                known = bicubic.get(name)
                if known is None or (known.images or 0) < len(part.images):
                    bicubic[name] = _bicubic_cell(part, baselines)
    sets = _in_order(bicubic)
    number = 2 if degradation == 'bicubic' else 3
    theirs = _published_rows(number, scale, sets)
    ships = _shipped_rows([model for model in shipped if (model.degradation, model.scale) == shape], sets)
    ours = [Row(name, True, cells, costs.get(name, UNKNOWN)) for name, cells in measured.items()]
    rows = (*theirs, *ships, Row(BICUBIC, True, bicubic), *ours)
    return compared(Table(number if theirs else None, scale, degradation, sets, rows, ours[0].key, ours[0].key))


def ablation_table(runs: Sequence[RunResult], variants: Mapping[str, str]) -> Table | None:
    """Table 4: PSNR-Y on Set5, x4, of what is left when a part of BSR is taken away.

    Differences are from the paper's baseline and from our own.

    Args:
        runs: Test runs, each with another name.
        variants: Name of a run -> the row of the table it belongs to, or another name for what was trained; runs that
            are not among them are left out.

    Returns:
        The table; ``None`` if no run tested Set5 at x4, or only the baseline did.
    """
    rows = []
    for run in runs:
        parts = [part for part in run.sets if (paper_name(part.name), part.scale, part.degradation) == _ABLATION]
        if run.name in variants and parts and parts[0].images:
            cell = replace(_measured_cell(run, parts[0], {}), ssim=None)
            rows.append(Row(f'{variants[run.name]}: {run.name}', True, {'Set5': cell}))
    if not rows or {variants[run.name] for run in runs if run.name in variants} == {BASELINE}:
        return None
    theirs = _published_rows(4, 4, ['Set5'])
    reference = next(row.key for row in [*rows, *theirs] if row.method.partition(':')[0] == BASELINE)
    return compared(Table(4, 4, 'bicubic', ('Set5',), (*theirs, *rows), reference, (BASELINE, False)))


def _published_rows(number: int, scale: int, sets: Sequence[str]) -> list[Row]:
    rows: dict[str, dict[str, Cell]] = {}
    for entry in published():
        if (entry.table, entry.scale) == (number, scale) and entry.dataset in sets:
            cell = Cell(entry.psnr, entry.ssim, misprint=entry.misprint, note=entry.note)
            rows.setdefault(entry.method, {})[entry.dataset] = cell
    return [Row(method, False, cells, published_cost(method, scale)) for method, cells in rows.items()]


def _shipped_rows(models: Iterable[ShippedModel], sets: Sequence[str]) -> list[Row]:
    """Those that were tested on one of the sets before they shipped."""
    rows = []
    for model in models:
        cells = {}
        for name, scores in model.scores.items():
            if paper_name(name) in sets and 'psnr_y' in scores:
                mean = {kind: score.mean for kind, score in scores.items()}
                images = len(scores['psnr_y'].images)
                size = SET_SIZES.get(paper_name(name), images)
                note = '' if images == size else f'{images} of {size} images'
                figures = (mean['psnr_y'], mean.get('ssim_y'), mean.get('psnr_rgb'))
                cells[paper_name(name)] = Cell(*figures, images=images, note=note)
        if cells:
            rows.append(Row(model.method, False, cells, model.cost, shipped=True))
    return rows


def _measured_cell(run: RunResult, part: SetResult, baselines: Mapping[BaselineKey, Quality]) -> Cell:
    """What a test run achieved on a set, with a note if it does not compare with published figures."""
    measured = len(part.images)
    notes = _notes(part, baselines, measured, measured + len(part.skipped))
    kinds: tuple[Kind, ...] = ('psnr_y', 'ssim_y')
    for kind in kinds:
        name = run.metric_named(kind)
        border = run.metrics[name].get('crop_border') if name else None
        if name and border != part.scale:
            notes.append(f'{name} with crop_border {border} in place of {part.scale}')
    return Cell(
        psnr=run.value(part, 'psnr_y'),
        ssim=run.value(part, 'ssim_y'),
        psnr_rgb=run.value(part, 'psnr_rgb'),
        images=measured,
        note='; '.join(notes),
    )


def _bicubic_cell(part: SetResult, baselines: Mapping[BaselineKey, Quality]) -> Cell:
    qualities = baseline_of(part, baselines)
    if not qualities:
        return Cell(images=0)
    mean = mean_quality(qualities)
    notes = _notes(part, baselines, len(qualities), len(part.images))
    return Cell(mean.psnr_y, mean.ssim_y, images=len(qualities), note='; '.join(notes))


def _notes(part: SetResult, baselines: Mapping[BaselineKey, Quality], measured: int, given: int) -> list[str]:
    """What is said where LR images were given that are not the published ones, and where images are missing."""
    notes = []
    differences = [quality.lr_difference for quality in baseline_of(part, baselines)]
    if any(differences):
        mean = f'{np.mean(differences):.2g} grey levels on average'
        notes.append(f'LR images differ from {part.degradation} degradation by {mean}')
    published_size = SET_SIZES.get(paper_name(part.name), measured)
    size = given if measured == published_size else published_size
    if measured != size:
        notes.append(f'{measured} of {size} images')
    return notes


def compared(table: Table) -> Table:
    """The table with ranks, differences and the numbers of its footnotes filled in."""
    by_key = {row.key: row for row in table.rows}
    rows: list[Row] = []
    footnotes = count(1)
    for row in table.rows:
        reference = by_key[table.reference if row.measured else table.paper_reference]
        cells = {}
        for name in [name for name in table.sets if name in row.cells]:
            cell = row.cells[name]
            changes: dict[str, Any] = {}
            for key, places in PLACES.items():
                value, others = cell.figure(key), [other.cell(name).figure(key) for other in table.rows]
                changes[f'{key}_rank'] = _rank(value, others, places)
                changes[f'{key}_difference'] = difference(value, reference.cell(name).figure(key))
            noted = cell.note and table.number != 4
            cells[name] = replace(cell, **changes, footnote=next(footnotes) if noted else None)
        rows.append(replace(row, cells=cells))
    return replace(table, rows=tuple(rows))


def _rank(value: float | None, others: Sequence[float | None], places: int) -> int | None:
    """Place from the top; what is equal as printed shares a place, and NaN has none."""
    if value is None or np.isnan(value):
        return None
    return 1 + sum(other is not None and round(other, places) > round(value, places) for other in others)


def _in_order(names: Iterable[str]) -> tuple[str, ...]:
    """The paper's sets in its order, then the others."""
    order = list(SET_SIZES)
    return tuple(sorted(names, key=lambda name: (order.index(name) if name in order else len(order), name)))
