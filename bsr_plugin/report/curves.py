"""Training curves from TensorBoard logs, several runs overlaid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from bsr_plugin.evaluation.training_log import Record, read_log
from bsr_plugin.report.style import PRINT, Palette, new_figure, plain_axes

#: Points of a curve; a longer one is averaged over equal stretches of iterations.
_POINTS = 400


@dataclass(frozen=True)
class Curve:
    """The (N,) values of a scalar over (N,) increasing iterations."""

    iterations: NDArray[np.int64]
    values: NDArray[np.float64]


def read_curves(folder: Path) -> dict[str, Curve]:
    """The scalars of a TensorBoard log, ``tb_logger/<name>``.

    Where a resumed run repeats iterations, the later record counts.

    Returns:
        Name of the scalar, such as ``losses/l_pix`` or ``metrics/Set5/psnr_y``, -> its curve.

    Raises:
        InputError: The folder holds no such log.
    """
    return {tag: _curve(records) for tag, records in read_log(folder).items()}


def _curve(records: Sequence[Record]) -> Curve:
    iterations, values = zip(*sorted({each.iteration: each.value for each in records}.items()), strict=True)
    return Curve(np.array(iterations, np.int64), np.array(values, np.float64))


def thinned(curve: Curve, points: int = _POINTS) -> Curve:
    """A curve of at most ``points`` points: means over equal numbers of neighbouring records."""
    group = -(-len(curve.values) // points)
    starts = np.arange(0, len(curve.values), group)
    counts = np.diff(np.append(starts, len(curve.values)))
    means = np.add.reduceat(curve.values, starts) / counts
    return Curve(curve.iterations[starts + counts - 1], means)


def curves_figure(runs: Mapping[str, Mapping[str, Curve]], palette: Palette = PRINT) -> Figure:
    """One panel for each scalar, one line for each run; ``runs`` maps the name of a run to its curves."""
    tags = sorted({tag for curves in runs.values() for tag in curves}, key=_order)
    columns = min(2, len(tags))
    rows = -(-len(tags) // columns)
    figure = new_figure(9, 2.3 * rows + 0.4, palette)
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for axes, tag in zip(panels, tags, strict=False):
        for number, (name, curves) in enumerate(runs.items()):
            if tag in curves:
                curve = thinned(curves[tag])
                mark = 'o' if len(curve.values) < 30 else None
                look = {'color': palette.of(number), 'lw': 1.4, 'marker': mark, 'ms': 3}
                axes.plot(curve.iterations, curve.values, label=name, **look)
        plain_axes(axes, palette)
        axes.set_title(tag, loc='left', color=palette.ink, fontsize=10)
        if tag.startswith(('losses/', 'l_')) or tag == 'lr':
            axes.set_yscale('log')
            axes.tick_params(which='both', colors=palette.muted, labelsize=8, length=0)
    for axes in list(figure.axes)[len(tags) :]:
        axes.remove()
    for axes in figure.axes[-columns:]:
        axes.set_xlabel('iterations')
    lines = [Line2D([], [], color=palette.of(number), label=name) for number, name in enumerate(runs)]
    figure.legend(handles=lines, loc='outside upper left', ncols=3, frameon=False, fontsize=9, labelcolor=palette.ink)
    return figure


def _order(tag: str) -> tuple[int, str]:
    """Metrics first, losses next, the rest last."""
    return (0 if tag.startswith('metrics/') else 1 if tag.startswith('losses/') else 2), tag
