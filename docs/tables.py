"""Writes the tables of README and docs anew: ``python docs/tables.py``, a part of ``make figures``.

A table stands between ``<!-- table: NAME -->`` and ``<!-- end of table -->``. It is made of what ``bsr bench`` and
``bsr study`` have measured (``docs/benchmarks/*.json``, ``docs/studies/*/study.json``), and of the metadata of the
pretrained weights.
"""

import csv
import json
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from safetensors import safe_open

from bsr_plugin import weights
from bsr_plugin.bench.tables import Table, engines, networks, sampling_costs, sampling_rates, upscalers
from bsr_plugin.markdown import markdown_table

DOCS = Path(__file__).resolve().parent
PAGES = (
    DOCS.parent / 'README.md',
    DOCS / 'benchmarks.md',
    DOCS / 'data.md',
    DOCS / 'networks.md',
    DOCS / 'upscaling.md',
)
_PLACE = re.compile(r'(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)', re.DOTALL)

#: Rows of the short table of samplers.
_SHORT = ('stock', 'uniform', 'rfs', 'rejection')

Row = Sequence[str]


def measured(benchmark: str) -> dict[str, Any]:
    """What ``bsr bench NAME --json docs/benchmarks/NAME.json`` has written."""
    return json.loads((DOCS / f'benchmarks/{benchmark}.json').read_text(encoding='utf-8'))


def markdown(heads: Row, rows: Sequence[Row], note: str = '') -> str:
    """A table, and a line below it."""
    cells = [[cell.strip() for cell in row] for row in rows]
    return '\n'.join([*markdown_table(heads, cells), *(['', f'*{note}*'] if note else [])]) + '\n'


def of_benchmark(name: str, make: Callable[[dict[str, Any]], Table]) -> str:
    """A table of a benchmark, with the machine and the day."""
    figures = measured(name)
    found = figures['machine']
    place = [found['GPU']] if 'GPU' in found else []
    place += [found['processor'], f'{found["cores"]} cores', f'torch {found["torch"]}']
    where = f'{", ".join(place)}; {figures["date"]}'
    return markdown(*make(figures), where)


def same_seconds() -> str:
    """What other networks reach in the same seconds in both engines."""
    study = json.loads((DOCS / 'studies/engines_291_x2/study.json').read_text(encoding='utf-8'))
    budget = study['budget']
    rates, iterations = budget['rates'], budget['iterations']
    psnr = {variant: means['psnr_y']['mean'] for variant, means in study['means'].items()}
    rows = []
    for name in ('EDSR', 'MSRResNet', 'RCAN', 'RRDBNet', 'SwinIR'):
        both = (f'{name}_stock', name)
        rows.append(
            (
                name,
                *(f'{rates[variant]:.1f}' for variant in both),
                f'{rates[both[1]] / rates[both[0]]:.2f}',
                *(f'{iterations[variant]:,}' for variant in both),
                *(f'{psnr[variant]:.2f}' if variant in psnr else 'not there' for variant in both),
            )
        )
    head = ('', 'SRModel it/s', 'BSRModel it/s', 'x', 'SRModel it', 'BSRModel it', 'SRModel dB', 'BSRModel dB')
    return markdown(head, rows)


def bicubic_rows() -> str:
    """Bicubic interpolation on Set5 by the paper, and by ``bsr bicubic``."""
    here = json.loads((DOCS / 'benchmarks/bicubic_Set5.json').read_text(encoding='utf-8'))
    head, paper = [''], ['paper']
    for figures in here:
        kind = figures['degradation']
        head.append(f'x{figures["scale"]}' + ('' if kind == 'bicubic' else f' {kind}'))
        (row,) = (
            row for row in _of_the_paper(kind) if (row['dataset'], int(row['scale'])) == ('Set5', figures['scale'])
        )
        paper.append(f'{row["psnr"]} / {row["ssim"]}')
    return markdown(head, [paper, ['here', *(f'{row["psnr_y"]:.2f} / {row["ssim_y"]:.4f}' for row in here)]])


def _of_the_paper(degradation: str) -> list[dict[str, str]]:
    """Rows of bicubic interpolation in the paper's tables."""
    with (Path(weights.__file__).parents[1] / 'report/paper_tables.csv').open(encoding='utf-8', newline='') as file:
        return [row for row in csv.DictReader(file) if (row['method'], row['degradation']) == ('Bicubic', degradation)]


def quality() -> str:
    """PSNR-Y of the pretrained weights, by what their files say; bicubic by Table 2 of the paper."""
    sets = ('Set5', 'Set14', 'BSD100', 'Urban100')
    bicubic = {(int(row['scale']), row['dataset']): row['psnr'] for row in _of_the_paper('bicubic')}
    rows: list[Row] = []
    for name in weights.names():
        with safe_open(weights.weights_file(name), 'pt') as file:
            said = file.metadata()
        if said['degradation'] == 'bicubic':
            rows.append((f'{name}, bicubic', '', *(bicubic[int(said['scale']), part] for part in sets)))
        scores = [json.loads(said['scores'])[part]['psnr_y']['mean'] for part in sets]
        size = f'{int(said["parameters"]) / 1e6:.2f} M'
        rows.append((f'{name.replace("_", ", ")}, BSR', size, *(f'{score:.2f}' for score in scores)))
    return markdown(('', 'parameters', *sets), rows)


TABLES: dict[str, Callable[[], str]] = {
    'samplers': lambda: of_benchmark('data', sampling_rates),
    'samplers_in_short': lambda: of_benchmark('data', partial(sampling_rates, kinds=_SHORT)),
    'sampling_costs': lambda: of_benchmark('data', sampling_costs),
    'engines': lambda: of_benchmark('train', engines),
    'networks': lambda: of_benchmark('train', networks),
    'same_seconds': same_seconds,
    'upscalers_x2': lambda: of_benchmark('upscale_x2', upscalers),
    'upscalers_x2_on_a_gpu': lambda: of_benchmark('upscale_x2_H200', upscalers),
    'upscalers_x4': lambda: of_benchmark('upscale_x4', upscalers),
    'bicubic_rows': bicubic_rows,
    'quality': quality,
}


def with_tables(text: str) -> str:
    """A page with its tables made anew."""
    return _PLACE.sub(lambda place: f'{place[1]}{TABLES[place[2]]()}{place[3]}', text)


if __name__ == '__main__':
    for page in PAGES:
        page.write_text(with_tables(page.read_text(encoding='utf-8')), encoding='utf-8')
