"""Writes the tables of README and docs anew: ``python docs/tables.py``, a part of ``make figures``.

A table stands between ``<!-- table: NAME -->`` and ``<!-- end of table -->``. It is made of what ``bsr bench`` and
``bsr study`` have measured (``docs/benchmarks/*.json``, ``docs/studies/*/study.json``), and of what the weights that
ship say of themselves.
"""

import csv
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from safetensors import safe_open

from bsr_plugin import weights
from bsr_plugin.bench.engines import ENGINES
from bsr_plugin.cli.bench_data import ROWS
from bsr_plugin.cli.bench_upscale import QUALITY, quality_cells, title_of

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


def markdown(head: Row, rows: Sequence[Row], note: str = '') -> str:
    """A table, numbers flush right, and a line on the machine below it."""
    ruler = ['---', *['---:'] * (len(head) - 1)]
    lines = ['| ' + ' | '.join(cells) + ' |' for cells in (head, ruler, *rows)]
    return '\n'.join([*lines, *(['', note] if note else [])]) + '\n'


def machine(figures: dict[str, Any]) -> str:
    """Where and when something was measured."""
    found = figures['machine']
    return f'*{found["processor"]}, {found["cores"]} cores, torch {found["torch"]}; {figures["date"]}*'


def samplers(kinds: Sequence[str] | None = None) -> str:
    """Patches per second of one core."""
    figures = measured('data')
    rates = figures['patches_per_s']
    rows = [(ROWS[kind], f'{rates[kind]:,.0f}', f'{rates[kind] / rates["stock"]:.1f}') for kind in kinds or rates]
    return markdown(('patches per second, one core', 'rate', 'x stock'), rows, machine(figures))


def sampling_ratios() -> str:
    """Balanced against uniform sampling, stores of different sizes, and the index."""
    figures = measured('data')
    index, counts = figures['index'], figures['by_count']
    rows = [
        (f'{name.replace("/", " / ")}, round by round', f'{ratio:.2f}') for name, ratio in figures['ratios'].items()
    ]
    sizes, rates = (
        ', '.join(f'{int(count):,}' for count in counts),
        ', '.join(f'{rate:,.0f}' for rate in counts.values()),
    )
    largest = f'{max(map(int, counts)):,}'
    rows += [
        (f'rfs on stores of {sizes} images, patches per second', rates),
        ('rfs on the largest / on the smallest, round by round', f'{figures["count_ratio"]:.2f}'),
        ('PIC index: building, per LR megapixel', f'{index["build_s_per_lr_megapixel"]:.2f} s'),
        ('PIC index: size per LR window', f'{index["bytes_per_window"]:.2f} bytes'),
        (f'PIC index of {largest} images: opening', f'{index["open_s"] * 1000:.0f} ms'),
        (f'PIC index of {largest} images: memory of a worker that cannot be shared', f'{index["worker_mb"]:.1f} MB'),
    ]
    return markdown(('', ''), rows)


def engines() -> str:
    """The switches of BSRModel beside SRModel."""
    figures = measured('train')
    per_iteration, matrix = figures['gmacs_per_iteration'], figures['matrix_gmacs_per_s']
    rows = []
    for name, rate in figures['iterations_per_s'].items():
        limit = matrix['bf16' if ENGINES[name].train.get('amp') else 'float32']
        rows.append(
            (
                ENGINES[name].title.strip(),
                f'{rate:.2f}',
                f'{figures["times_stock"][name]:.2f}',
                f'{figures["final_loss"][name]:.5f}',
                '' if name == 'float32' else f'{figures["loss_difference"][name]:+.2%}',
                f'{figures["peak_memory_mb"][name]:.0f}',
                f'{rate * per_iteration:.0f}',
                f'{rate * per_iteration / limit:.0%}',
            )
        )
    head = ('', 'it/s', 'x stock', 'loss after 200', 'to float32', 'MB', 'GMAC/s', 'of a matrix product')
    return markdown(head, rows, machine(figures))


def networks_in_both_engines() -> str:
    """Iterations per second of BSRNet and of the toolbox's own networks."""
    figures = measured('train')
    rates = figures['iterations_per_s']
    rows = [
        ('BSRNet, 2 groups of 2 blocks', f'{rates["stock"]:.3g}', f'{rates["bsr"]:.3g}', figures['times_stock']['bsr'])
    ]
    for name, row in figures['networks'].items():
        rows.append((name, f'{row["stock"]:.3g}', f'{row["bsr"]:.3g}', row['bsr'] / row['stock']))
    head = ('iterations per second', '`SRModel`', '`BSRModel`', 'x stock')
    return markdown(head, [(*row[:-1], f'{row[-1]:.1f}') for row in rows], machine(figures))


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


def upscalers(benchmark: str) -> str:
    """Megapixels per second of the result, and quality."""
    figures = measured(benchmark)
    rows = []
    for name, rate in figures['megapixels_per_s'].items():
        row = [title_of(name), f'{rate:.3g}', *quality_cells(name, figures)]
        if name in figures['gmacs_per_s']:
            row += [f'{figures["gmacs_per_s"][name]:.0f}', f'{figures["of_matrix"][name]:.0%}']
        rows.append([*row, *[''] * (6 - len(row))])
    head = (f'x{figures["scale"]}, {figures["network"]}', 'MP/s', *QUALITY, 'GMAC/s', 'of a matrix product')
    return markdown(head, rows, machine(figures))


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
    """PSNR-Y of the weights that ship, by what their files say; bicubic by Table 2 of the paper."""
    bicubic = {(int(row['scale']), row['dataset']): row['psnr'] for row in _of_the_paper('bicubic')}
    rows: list[Row] = []
    for name in weights.names():
        with safe_open(weights.weights_file(name), 'pt') as file:
            said = file.metadata()
        if said['degradation'] == 'bicubic':
            rows.append((f'{name}, bicubic', '', *(bicubic[int(said['scale']), part] for part in ('Set5', 'Set14'))))
        scores = [json.loads(said['scores'])[part]['psnr_y']['mean'] for part in ('Set5', 'Set14')]
        size = f'{int(said["parameters"]) / 1e6:.2f} M'
        rows.append((f'{name.replace("_", ", ")}, BSR', size, *(f'{score:.2f}' for score in scores)))
    return markdown(('', 'parameters', 'Set5', 'Set14'), rows)


TABLES: dict[str, Callable[[], str]] = {
    'samplers': samplers,
    'samplers_in_short': lambda: samplers(_SHORT),
    'sampling_ratios': sampling_ratios,
    'engines': engines,
    'networks_in_both_engines': networks_in_both_engines,
    'same_seconds': same_seconds,
    'upscalers_x2': lambda: upscalers('upscale_x2'),
    'upscalers_x4': lambda: upscalers('upscale_x4'),
    'bicubic_rows': bicubic_rows,
    'quality': quality,
}


def with_tables(text: str) -> str:
    """A page with its tables made anew."""
    return _PLACE.sub(lambda place: f'{place[1]}{TABLES[place[2]]()}{place[3]}', text)


if __name__ == '__main__':
    for page in PAGES:
        page.write_text(with_tables(page.read_text(encoding='utf-8')), encoding='utf-8')
