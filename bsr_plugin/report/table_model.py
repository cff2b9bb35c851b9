"""What a comparison table holds: cells, rows, and what is said below it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from bsr_plugin.data.degradation import Degradation
from bsr_plugin.report.cost import UNKNOWN, Cost

#: Where a row comes from: the paper's table, the file of pretrained weights, or a test run.
Source = Literal['paper', 'shipped', 'measured']

BICUBIC = 'Bicubic, measured here'
#: Decimal places of published figures, at which they are ranked.
PLACES = {'psnr': 2, 'ssim': 4}


@dataclass(frozen=True)
class Cell:
    """What a method achieves on a set: PSNR-Y in dB and SSIM-Y; PSNR of RGB and the number of images if measured here.

    Attributes:
        misprint: ``psnr`` or ``ssim`` if that figure is a misprint of the paper, else empty.
        note: What there is to say about it.
        psnr_rank: Place among all methods of the table, 1 the best; ``None`` for a misprint. Likewise ``ssim_rank``.
        psnr_difference: PSNR minus that of the table's reference. Likewise ``ssim_difference``.
        footnote: Number of its note below the table.
    """

    psnr: float | None = None
    ssim: float | None = None
    psnr_rgb: float | None = None
    images: int | None = None
    misprint: str = ''
    note: str = ''
    psnr_rank: int | None = None
    ssim_rank: int | None = None
    psnr_difference: float | None = None
    ssim_difference: float | None = None
    footnote: int | None = None

    def figure(self, key: str) -> float | None:
        """``psnr`` or ``ssim`` if it can be compared: misprints cannot."""
        return None if key == self.misprint else self.psnr if key == 'psnr' else self.ssim


@dataclass(frozen=True)
class Row:
    """A method, measured here or not, with a cell for each benchmark set, and what it costs.

    Attributes:
        shipped: Whether its figures are those that weights which ship say of themselves.
    """

    method: str
    measured: bool
    cells: dict[str, Cell]
    cost: Cost = UNKNOWN
    shipped: bool = False

    @property
    def source(self) -> Source:
        """Where it comes from."""
        return 'measured' if self.measured else 'shipped' if self.shipped else 'paper'

    @property
    def key(self) -> 'RowKey':
        """What tells it from the other rows."""
        return self.method, self.measured

    def cell(self, name: str) -> Cell:
        """The cell of a set, empty where there is none."""
        return self.cells.get(name, Cell())


RowKey = tuple[str, bool]


@dataclass(frozen=True)
class Table:
    """A table of the paper with rows of our own, or one of the same form that the paper does not have.

    Attributes:
        number: Number in the paper, or ``None``.
        sets: Columns.
        rows: Published methods first, then networks that ship, bicubic interpolation, and test runs.
        reference: The row that differences refer to.
        paper_reference: The row that differences of published rows refer to.
    """

    number: int | None
    scale: int
    degradation: Degradation
    sets: tuple[str, ...]
    rows: tuple[Row, ...]
    reference: RowKey
    paper_reference: RowKey

    @property
    def keys(self) -> tuple[str, ...]:
        """Its figures: of table 4 only the PSNR is published."""
        return ('psnr',) if self.number == 4 else ('psnr', 'ssim')

    @property
    def has_costs(self) -> bool:
        """Whether it has columns for what the methods cost."""
        return any(row.cost != UNKNOWN for row in self.rows)

    @property
    def title(self) -> str:
        """What the table shows."""
        where = f'Table {self.number}' if self.number else 'Not in the paper'
        what = 'ablation, ' if self.number == 4 else ''
        return f'{where}: {what}x{self.scale}, {self.degradation} degradation'

    @property
    def legend(self) -> str:
        """What its differences refer to."""
        if self.reference == self.paper_reference:
            return f'Differences are from {self.reference[0]}.'
        return f'Differences of published figures are from {self.paper_reference[0]}, others from {self.reference[0]}.'

    @property
    def reproduction(self) -> str:
        """How near the bicubic row measured here is to the published one: whether the files are the same."""
        rows = {row.key: row.cells for row in self.rows}
        theirs, ours = rows.get(('Bicubic', False), {}), rows.get((BICUBIC, True), {})
        distances = []
        for name in [name for name in self.sets if name in theirs and name in ours]:
            psnr = difference(ours[name].psnr, theirs[name].psnr)
            ssim = difference(ours[name].ssim, theirs[name].ssim)
            if psnr is not None and ssim is not None:
                distances.append(f'{psnr:+.3f} dB and {ssim:+.4f} on {name}')
        return f'Bicubic interpolation is off its published row by {", ".join(distances)}.' if distances else ''

    @property
    def below(self) -> list[str]:
        """What is said below the table as a whole."""
        return [sentence for sentence in (self.legend, self.reproduction) if sentence]

    @property
    def footnotes(self) -> list[tuple[int, str]]:
        """What is said of single cells below the table: number and sentence."""
        return [
            (cell.footnote, f'{row.method}, {name}: {"misprint of the paper: " if cell.misprint else ""}{cell.note}')
            for row in self.rows
            for name, cell in row.cells.items()
            if cell.footnote
        ]


def difference(value: float | None, reference: float | None) -> float | None:
    """``value`` minus ``reference``; ``None`` where one is missing or not finite."""
    if value is None or reference is None or not np.isfinite([value, reference]).all():
        return None
    return value - reference
