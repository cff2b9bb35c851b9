"""Quality against cost: small networks, published, shipped and tested, on every set of a table."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from bsr_plugin.report.cost import UNKNOWN, Cost
from bsr_plugin.report.label_places import Box, corners_of_labels
from bsr_plugin.report.small_networks import small_networks
from bsr_plugin.report.style import PRINT, Palette, new_figure, plain_axes
from bsr_plugin.report.table_model import Source, Table

#: Attribute of :class:`Cost` -> label of its axis.
_AXES = {'macs_per_pixel': 'multiply-accumulates per output pixel', 'parameters': 'parameters'}
#: From this ratio of the largest cost to the smallest on, an axis has a label for each power of ten only.
_WIDE = 30
#: Points between the centre of a point and its label.
_GAP = 5
_LEGEND: dict[Source, str] = {
    'paper': 'published, trained on 291 images',
    'shipped': 'ships with bsr_plugin',
    'measured': 'tested here',
}


@dataclass(frozen=True)
class Point:
    """A network on a set: PSNR-Y in dB, and what it costs."""

    method: str
    source: Source
    psnr: float
    cost: Cost


def points_of(table: Table, dataset: str) -> list[Point]:
    """The published small networks of the table's scale and degradation, then its rows that ship or were tested."""
    theirs = [
        Point(each.method, 'paper', each.psnr, Cost(each.parameters, each.macs_per_pixel))
        for each in small_networks()
        if (each.scale, each.dataset) == (table.scale, dataset) and table.degradation == 'bicubic'
    ]
    return [*theirs, *_own_points(table, dataset)]


def _own_points(table: Table, dataset: str) -> Iterator[Point]:
    for row in table.rows:
        psnr = row.cell(dataset).psnr
        if row.source != 'paper' and row.cost != UNKNOWN and psnr is not None and math.isfinite(psnr):
            yield Point(row.method, row.source, psnr, row.cost)


def cost_figure(table: Table, palette: Palette = PRINT) -> Figure | None:
    """PSNR-Y against both costs, on logarithmic axes, one row for each set; ``None`` if there is nothing to compare."""
    points = {name: points_of(table, name) for name in table.sets}
    shown = [name for name, each in points.items() if len(each) > 1]
    if not shown:
        return None
    figure = new_figure(9, 2.9 * len(shown) + 0.4, palette)
    panels = figure.subplots(len(shown), len(_AXES), squeeze=False)
    for row, name in zip(panels, shown, strict=True):
        for axes, (attribute, label) in zip(row, _AXES.items(), strict=True):
            plain_axes(axes, palette)
            _scatter(axes, points[name], attribute, palette)
            axes.set_title(f'{name}: PSNR-Y (dB)', loc='left', color=palette.ink, fontsize=10)
            axes.set_xlabel(label)
    sources = {point.source for name in shown for point in points[name]}
    marks = [
        Line2D([], [], ls='', marker='o', color=_colour(source, palette), label=words)
        for source, words in _LEGEND.items()
        if source in sources
    ]
    figure.legend(handles=marks, loc='outside upper left', ncols=3, frameon=False, fontsize=9, labelcolor=palette.ink)
    figure.draw_without_rendering()  # gives the panels the places that pixels are counted in
    for axes in panels.flat:
        _place_labels(axes, _GAP * figure.dpi / 72)
    return figure


def _scatter(axes: Axes, points: Sequence[Point], attribute: str, palette: Palette) -> None:
    """Those whose cost of this kind is known, each with its name."""
    axes.set_xscale('log')
    known = [(cost, point) for point in points if (cost := getattr(point.cost, attribute)) is not None]
    costs = [cost for cost, _ in known]
    wide = bool(costs) and max(costs) > _WIDE * min(costs)
    axes.xaxis.set_major_locator(LogLocator(subs=(1,) if wide else (1, 2, 5)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f'{round(value) / 1e3:,g} K'))
    axes.margins(x=0.3, y=0.15)
    look: dict[str, Any] = {'fontsize': 8, 'color': palette.ink, 'parse_math': False}
    for cost, point in known:
        axes.plot(cost, point.psnr, ls='', marker='o', ms=5, color=_colour(point.source, palette))
        axes.annotate(point.method, (cost, point.psnr), (0, 0), textcoords='offset points', **look)


def _place_labels(axes: Axes, gap: float) -> None:
    """Moves every label to the corner of its point where it covers least; ``gap`` is in pixels."""
    labels = [label for label in axes.texts if isinstance(label, Annotation)]
    points = [tuple(axes.transData.transform(label.xy)) for label in labels]
    extents = [label.get_window_extent() for label in labels]
    panel = Box(*axes.get_window_extent().extents)
    corners = corners_of_labels(points, [(each.width, each.height) for each in extents], panel, gap)
    for label, (right, above) in zip(labels, corners, strict=True):
        label.set_position((_GAP * right, 0))
        label.set(ha='left' if right > 0 else 'right', va='bottom' if above > 0 else 'top')


def _colour(source: Source, palette: Palette) -> str:
    return {'paper': palette.muted, 'shipped': palette.of(1), 'measured': palette.of(0)}[source]
