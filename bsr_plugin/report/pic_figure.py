"""The paper's Fig. 1: how patches are spread over the PIC intervals, with example patches."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from bsr_plugin.report.pic_distribution import Distribution, example_patches
from bsr_plugin.report.style import PRINT, Palette, new_figure, plain_axes

_BAR = 0.4
#: Inches: width of the chart, height of the bars, largest side of a patch, and the part of its place that it fills.
_WIDTH, _BARS, _PATCH, _FILL = 8.4, 3.0, 0.55, 0.9
#: Intervals are labelled, and get patches, in steps that leave at most this many columns.
_COLUMNS = 16


def pic_figure(
    edges: NDArray[np.float64],
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    examples: Sequence[Sequence[NDArray[np.uint8]]],
    palette: Palette = PRINT,
) -> Figure:
    """Bars for the share of every interval before and after balancing; below them example patches.

    Args:
        edges: (p + 1,) edges of the intervals in grey levels; the last interval is open above.
        before: (p,) shares of patches drawn uniformly.
        after: (p,) shares of patches drawn by random filter sampling.
        examples: Per interval a few patches, (w, w, 3) RGB uint8; intervals may have none.
        palette: Colours.
    """
    bins = len(before)
    shown = range(0, bins, -(-bins // _COLUMNS))
    side = min(_PATCH, _WIDTH / bins * shown.step)
    rows = max((len(examples[interval]) for interval in shown), default=0)
    figure = new_figure(_WIDTH + 0.6, _BARS + rows * side + 0.5, palette)
    heights = [_BARS, rows * side] if rows else [_BARS]
    chart, *others = figure.subplots(len(heights), sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    _bars(chart, before, after, palette)
    chart.set_xlim(-0.5, bins - 0.5)
    chart.set_xticks(list(shown), [_label(edges, interval) for interval in shown])
    chart.tick_params(labelbottom=True)
    for strip in others:
        strip.set_axis_off()
        _patches(strip, examples, shown, side * bins / _WIDTH)
        strip.set_xlim(-0.5, bins - 0.5)
        strip.set_ylim(rows, 0)
    return figure


def distribution_figure(distribution: Distribution, palette: Palette = PRINT) -> Figure:
    """Fig. 1 for a store of LR images."""
    examples = example_patches(distribution.store, distribution.index)
    return pic_figure(distribution.index.edges, distribution.uniform, distribution.balanced, examples, palette)


def _bars(chart: Axes, before: NDArray[np.float64], after: NDArray[np.float64], palette: Palette) -> None:
    places = np.arange(len(before))
    chart.bar(places - _BAR / 2, before, _BAR, color=palette.of(1), label='uniform sampling')
    chart.bar(places + _BAR / 2, after, _BAR, color=palette.of(0), label='random filter sampling')
    plain_axes(chart, palette)
    chart.set_xlabel('PIC of the patch: mean gradient in grey levels')
    chart.set_ylabel('share of patches')
    chart.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    chart.legend(frameon=False, fontsize=9, loc='upper right', labelcolor=palette.ink)


def _patches(strip: Axes, examples: Sequence[Sequence[NDArray[np.uint8]]], shown: range, width: float) -> None:
    """Draws the patches below their intervals; ``width`` is the place of a patch in intervals."""
    half = _FILL * width / 2
    for interval in shown:
        for row, patch in enumerate(examples[interval]):
            top, bottom = row + (1 - _FILL) / 2, row + (1 + _FILL) / 2
            extent = (interval - half, interval + half, bottom, top)
            strip.imshow(patch, extent=extent, interpolation='nearest', aspect='auto')


def _label(edges: NDArray[np.float64], interval: int) -> str:
    if interval == len(edges) - 2:
        return f'≥ {edges[interval]:.0f}'
    return f'{edges[interval]:.0f}-{edges[interval + 1]:.0f}'
