"""The look of all plots, on paper and on the page.

Figures are built with Matplotlib's objects, never through ``pyplot``, so that nothing global is touched. On the page a
plot is inline SVG whose colours are the page's CSS variables: one picture serves the light and the dark scheme.
"""

import io
import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bsr_plugin.atomic import write_bytes
from bsr_plugin.errors import InputError

FORMATS = ('.png', '.svg', '.pdf')
_DPI = 160
#: Letters in a line of a caption.
_CAPTION = 28


@dataclass(frozen=True)
class Palette:
    """Colours by what they are for.

    Attributes:
        ink: Text and the lines that matter most.
        muted: Ticks and secondary text.
        line: Grid.
        paper: Background; ``none`` lets the page's shine through.
        series: One for each run or quantity, in order.
    """

    ink: str
    muted: str
    line: str
    paper: str
    series: tuple[str, ...]

    def of(self, number: int) -> str:
        """Colour of a series, counted from 0; they repeat."""
        return self.series[number % len(self.series)]


PRINT = Palette(
    ink='#1c2127',
    muted='#5b6570',
    line='#d9dee3',
    paper='#ffffff',
    series=('#1f6fb5', '#c8571b', '#2b8a57', '#8449b8', '#a87b00', '#bd3560'),
)

#: Colours that nothing else uses, each standing for a CSS variable of the page.
PAGE = Palette(
    ink='#010101',
    muted='#010102',
    line='#010103',
    paper='none',
    series=tuple(f'#0102{number:02x}' for number in range(1, 7)),
)
_VARIABLES = {PAGE.ink: '--ink', PAGE.muted: '--muted', PAGE.line: '--line'} | {
    colour: f'--series-{number}' for number, colour in enumerate(PAGE.series, 1)
}


def new_figure(width: float, height: float, palette: Palette) -> Figure:
    """An empty figure, in inches, that arranges what is put into it."""
    return Figure(figsize=(width, height), layout='constrained', facecolor=palette.paper)


def plain_axes(axes: Axes, palette: Palette) -> None:
    """Leaves a base line, quiet ticks and, across, a quiet grid."""
    axes.set_facecolor('none')
    for side in ('top', 'right', 'left'):
        axes.spines[side].set_visible(False)
    axes.spines['bottom'].set_color(palette.muted)
    axes.tick_params(colors=palette.muted, labelsize=8, length=0)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(color=palette.muted, fontsize=9)
    axes.grid(axis='y', color=palette.line, linewidth=0.8)
    axes.set_axisbelow(True)


def caption(axes: Axes, text: str, palette: Palette) -> None:
    """Writes a small caption above a picture, in several lines where it is long."""
    axes.set_title('\n'.join(wrap(text, _CAPTION)), fontsize=8, color=palette.ink)


def check_format(path: Path) -> None:
    """Raises ``InputError`` where a file name ends in none of ``FORMATS``."""
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"{path} ends in '{path.suffix}': name a file that ends in {', '.join(FORMATS)}.")


def write_figure(path: Path, figure: Figure) -> None:
    """Writes a figure as PNG, SVG or PDF, whole or not at all.

    Raises:
        InputError: The file name ends in something else.
        OSError: It cannot be written.
    """
    check_format(path)
    picture = io.BytesIO()  # matplotlib's own files trip over a full disk
    figure.savefig(picture, format=path.suffix.lower()[1:], dpi=_DPI)
    write_bytes(path, picture.getvalue())


def svg_file(figure: Figure, name: str) -> str:
    """A figure drawn with ``PRINT`` as an SVG file, the same text whenever the same Matplotlib draws it."""
    text = io.StringIO()
    with rc_context({'svg.fonttype': 'none', 'svg.hashsalt': name, 'font.family': 'sans-serif'}):
        figure.savefig(text, format='svg', metadata={'Date': None})
    return '\n'.join(line.rstrip() for line in text.getvalue().splitlines()) + '\n'


def inline_svg(figure: Figure, name: str) -> str:
    """A figure drawn with ``PAGE`` as SVG for the page; the name, which no other has, keeps the ids in it apart."""
    text = io.StringIO()
    with rc_context({'svg.fonttype': 'none', 'svg.hashsalt': name, 'font.family': 'sans-serif'}):
        figure.savefig(text, format='svg', transparent=True, metadata={'Date': None})
    svg = text.getvalue()
    svg = svg[svg.index('<svg') :]
    # What speaks of the drawing program, and a style that would hold for the whole page.
    svg = re.sub(r'\s*<(metadata|style)\b.*?</\1>', '', svg, flags=re.DOTALL)
    svg = re.sub(r' id="(?![mp][0-9a-f]{8,}|image)[^"]*"', '', svg)
    svg = re.sub(r"font-family: [^;\"]+|'DejaVu Sans'[^;\"]*", 'font-family: inherit', svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f'var({variable})')
    return re.sub(r'<svg [^>]*viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" role="img">', svg, count=1)
