"""A study's figures: learning curves with their spread, and differences with their intervals."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bsr_plugin.report.study_table_parts import label_of, names_of, sets_of
from bsr_plugin.report.style import PRINT, Palette, new_figure, plain_axes
from bsr_plugin.study.differences import Difference
from bsr_plugin.study.learning_curves import MeanCurve
from bsr_plugin.study.results import StudyResult

#: The first validations, which are far below the others, do not decide what the axis shows.
_STEEP_PART = 0.25
_COLUMNS = 2
_STYLES = ('-', '--', ':', '-.')
#: Columns of a legend, and the height of one of its rows in inches.
_LEGEND_COLUMNS, _LEGEND_ROW = 3, 0.22


def learning_curves_figure(
    result: StudyResult, metric: str, palette: Palette = PRINT, only: str | None = None
) -> Figure | None:
    """A panel for each set: the mean over the seeds, and a band of one standard deviation on either side.

    Over iterations; over seconds, at the rate that was measured before the runs, where these are equal.

    Args:
        result: The study.
        metric: The metric.
        palette: Colours.
        only: The set to draw; ``None`` draws all.

    Returns:
        ``None`` where no run has a learning curve.
    """
    sets = [
        name
        for name in sets_of(result)
        if only in (None, name) and any(_curve(result, variant, name, metric) for variant in result.variants)
    ]
    if not sets:
        return None
    named = [variant for variant in result.variants if result.curves[variant]]
    figure = _panels(sets, 2.5, palette, above=_LEGEND_ROW * -(-len(named) // _LEGEND_COLUMNS))
    for axes, name in zip(figure.axes, sets, strict=True):
        shown = []
        for number, variant in enumerate(result.variants):
            if curve := _curve(result, variant, name, metric):
                at = np.array(curve.iterations) / (result.budget.rates[variant] if result.budget else 1)
                shown.append(_draw_curve(axes, at, curve, palette.of(number), _style(number, palette)))
        _zoom(axes, shown)
        axes.set_xlabel('seconds' if result.budget else 'iterations')
    lines = [
        figure.axes[0].plot([], [], color=palette.of(number), ls=_style(number, palette), label=variant)[0]
        for number, variant in enumerate(result.variants)
        if variant in named
    ]
    figure.legend(
        handles=lines,
        loc='outside upper left',
        ncols=_LEGEND_COLUMNS,
        frameon=False,
        fontsize=9,
        labelcolor=palette.ink,
    )
    return figure


def _curve(result: StudyResult, variant: str, name: str, metric: str) -> MeanCurve | None:
    curve = result.curves[variant].get(name, {}).get(metric)
    return curve if curve and curve.iterations else None


def _style(number: int, palette: Palette) -> str:
    """Tells apart the lines of one colour, which repeat."""
    return _STYLES[number // len(palette.series) % len(_STYLES)]


def _draw_curve(axes: Axes, at: np.ndarray, curve: MeanCurve, colour: str, style: str) -> tuple[np.ndarray, np.ndarray]:
    """Draws a curve whose validations were ``at`` so many iterations or seconds; gives these and its lower edge."""
    mean, std = (np.array([np.nan if value is None else value for value in each]) for each in (curve.mean, curve.std))
    std = np.nan_to_num(std)
    mark = 'o' if len(at) < 12 else None
    axes.plot(at, mean, color=colour, ls=style, lw=1.5, marker=mark, ms=3)
    axes.fill_between(at, mean - std, mean + std, color=colour, alpha=0.18, lw=0)
    return at, mean - std


def _zoom(axes: Axes, shown: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    """Lets the axis begin where the curves are no longer steep."""
    last = max(at[-1] for at, _ in shown)
    late = np.concatenate([lower[at >= _STEEP_PART * last] for at, lower in shown])
    top = axes.get_ylim()[1]
    if np.isfinite(late).any() and np.nanmin(late) < top:
        bottom = float(np.nanmin(late))
        axes.set_ylim(bottom - 0.05 * (top - bottom), top)


def differences_figure(result: StudyResult, metric: str, palette: Palette = PRINT) -> Figure | None:
    """A forest plot: for each set the differences from the reference and their 95 % confidence intervals.

    Args:
        result: The study.
        metric: The metric.
        palette: Colours.

    Returns:
        ``None`` where there is nothing to compare.
    """
    found = [each for each in result.differences if each.metric == metric and each.mean is not None]
    variants = [variant for variant in result.variants if any(each.variant == variant for each in found)]
    sets = [name for name in sets_of(result) if any(each.set == name for each in found)]
    if not sets:
        return None
    figure = _panels(sets, 0.75 + 0.28 * len(variants), palette)
    for axes, name in zip(figure.axes, sets, strict=True):
        axes.axvline(0, color=palette.muted, lw=1, zorder=1)
        for each in found:
            if each.set == name:
                colour = palette.of(list(result.variants).index(each.variant))
                _draw_difference(axes, each, variants.index(each.variant), colour)
        _label_rows(axes, variants, palette)
    limits = [axes.get_xlim() for axes in figure.axes]
    for axes in figure.axes:
        axes.set_xlim(min(low for low, _ in limits), max(high for _, high in limits))
    return figure


def claims_figure(result: StudyResult, metric: str, palette: Palette = PRINT) -> Figure | None:
    """A forest plot of the claims: the difference of their variants on the mean of all sets, or on the only one.

    That on the test sets stands below each.

    Args:
        result: The study.
        metric: The metric.
        palette: Colours.

    Returns:
        ``None`` where nothing has been measured for any claim.
    """
    found = _of_claims(result, metric)
    on_tests = _of_claims(result.tests, metric) if result.tests else {}
    if not found:
        return None
    figure = new_figure(8, 0.9 + (0.4 if on_tests else 0.28) * len(found), palette)
    axes = figure.add_subplot()
    plain_axes(axes, palette)
    axes.axvline(0, color=palette.muted, lw=1, zorder=1)
    for row, (pair, each) in enumerate(found.items()):
        _draw_difference(axes, each, row - 0.13 * bool(on_tests), palette.of(0))
        if pair in on_tests:
            _draw_difference(axes, on_tests[pair], row + 0.17, palette.of(1))
    _label_rows(axes, [f'{better} vs {than}' for better, than in found], palette)
    axes.set_xlabel(f'{label_of(metric, result.metrics)} difference, {next(iter(found.values())).set}')
    if result.tests and on_tests:
        texts = 'validation sets', names_of(result.tests)
        lines = [
            axes.plot([], [], color=palette.of(number), lw=2, marker='o', ms=6, label=text)[0]
            for number, text in enumerate(texts)
        ]
        figure.legend(handles=lines, loc='outside upper right', ncols=2, frameon=False, fontsize=9,
                      labelcolor=palette.ink)  # fmt: skip
    return figure


def _of_claims(result: StudyResult, metric: str) -> dict[tuple[str, str], Difference]:
    """The two variants of a claim -> their difference on the mean of all sets, or on the only one."""
    name = next(reversed(sets_of(result)), None)
    return {
        (claim.better, claim.than): each
        for claim in result.comparisons
        for each in claim.differences
        if (each.set, each.metric) == (name, metric) and each.mean is not None
    }


def _label_rows(axes: Axes, labels: Sequence[str], palette: Palette) -> None:
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.grid(visible=False, axis='y')
    axes.grid(axis='x', color=palette.line, linewidth=0.8)
    axes.locator_params(axis='x', nbins=6)


def _draw_difference(axes: Axes, difference: Difference, row: float, colour: str) -> None:
    if difference.low is not None and difference.high is not None:
        axes.plot([difference.low, difference.high], [row, row], color=colour, lw=2, solid_capstyle='butt')
    if difference.mean is not None:
        axes.plot([difference.mean], [row], color=colour, marker='o', ms=6)


def _panels(sets: Sequence[str], height: float, palette: Palette, above: float = 0) -> Figure:
    """A figure with a panel for each set, in rows of two, and so many inches above them."""
    columns = min(_COLUMNS, len(sets))
    rows = -(-len(sets) // columns)
    figure = new_figure(9, height * rows + 0.4 + above, palette)
    for number, name in enumerate(sets):
        axes = figure.add_subplot(rows, columns, number + 1)
        plain_axes(axes, palette)
        axes.set_title(name, loc='left', color=palette.ink, fontsize=10)
    return figure
