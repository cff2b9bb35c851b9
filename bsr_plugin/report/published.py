"""The published figures: tables 2, 3 and 4 of the paper."""

import csv
from functools import cache
from importlib.resources import files

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from bsr_plugin.data.degradation import Degradation

#: Number of images in the benchmark sets of the paper.
SET_SIZES = {'Set5': 5, 'Set14': 14, 'BSD100': 100, 'Urban100': 100, 'Manga109': 109}

#: Other names that the sets go by.
_ALIASES = {'b100': 'BSD100', 'bsds100': 'BSD100'} | {name.lower(): name for name in SET_SIZES}


@dataclass(frozen=True)
class Published:
    """One cell of a table, a line of ``paper_tables.csv``.

    Attributes:
        table: 2 (bicubic), 3 (blur-down) or 4 (ablation).
        psnr: PSNR-Y in dB, as printed.
        ssim: SSIM-Y, as printed; ``None`` in table 4.
        misprint: ``psnr`` or ``ssim`` if that figure is a misprint, else empty.
        note: What there is to say about it.
    """

    table: int
    degradation: Degradation
    method: str
    scale: int
    dataset: str
    psnr: float
    ssim: float | None
    misprint: str
    note: str


@cache
def published() -> tuple[Published, ...]:
    """All cells, in the order of the paper."""
    text = files('bsr_plugin.report').joinpath('paper_tables.csv').read_text(encoding='utf-8')
    lines = [line | {'ssim': line['ssim'] or None} for line in csv.DictReader(text.splitlines())]
    return TypeAdapter(tuple[Published, ...]).validate_python(lines)


def paper_name(dataset: str) -> str:
    """The name a benchmark set has in the paper, or its own if it is not there."""
    return _ALIASES.get(dataset.lower(), dataset)
