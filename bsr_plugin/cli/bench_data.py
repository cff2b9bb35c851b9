"""``bsr bench data``: what balanced batches cost."""

import argparse
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bsr_plugin.bench.data import DataFigures, DataSetting, measure_data
from bsr_plugin.cli.output import table

#: What tables call each kind of sampling.
ROWS = {
    'stock': 'BasicSR PairedImageDataset, PNG LMDB of sub-images',
    'uniform': 'RFSPairedImageDataset, uniform',
    'rfs': 'RFSPairedImageDataset, rfs',
    'half': 'RFSPairedImageDataset, rfs of strength 0.5',
    'annealed': 'RFSPairedImageDataset, rfs of rising strength',
    'stratified': 'RFSPairedImageDataset, uniform by strata',
    'importance': 'RFSPairedImageDataset, importance',
    'spread': 'RFSPairedImageDataset, rfs, images spread',
    'band': 'RFSPairedImageDataset, band',
    'residual': 'RFSPairedImageDataset, rfs by residual',
    'rejection_q999': 'RFSPairedImageDataset, rejection',
    'rejection': 'RFSPairedImageDataset, rejection, full PIC range',
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the benchmark's arguments, named as the fields of its setting."""
    parser.add_argument('--scale', type=int, help=f'factor (default {DataSetting.scale})')
    window = f'LR patch (default {DataSetting.window})'
    parser.add_argument('--lr-window', type=int, dest='window', metavar='PIXELS', help=window)
    parser.add_argument('--batch', type=int, metavar='N', help=f'patches per batch (default {DataSetting.batch})')
    parser.add_argument('--bins', type=int, metavar='P', help=f'intervals (default {DataSetting.bins})')
    seconds = f'per kind and round, of five rounds (default {DataSetting.seconds})'
    parser.add_argument('--seconds', type=float, help=seconds)
    parser.add_argument('--counts', type=int, nargs='+', metavar='N', help='sizes of stores to compare')


def measure(given: Mapping[str, Any], images: Path, folder: Path) -> tuple[str, dict[str, Any]]:
    """Runs the benchmark; gives what to print and the figures."""
    figures = measure_data(DataSetting(images, **given), folder / 'stores')
    return _report(figures), asdict(figures)


def _report(figures: DataFigures) -> str:
    stock = figures.patches_per_s['stock']
    rates = [(ROWS[kind], f'{rate:,.0f}', f'{rate / stock:.1f}') for kind, rate in figures.patches_per_s.items()]
    costs = [
        ('index, build time per LR megapixel', f'{figures.index["build_s_per_lr_megapixel"]:.2f} s'),
        ('index, bytes per LR window', f'{figures.index["bytes_per_window"]:.2f}'),
        (f'index of {max(figures.by_count):,} images, opening', f'{figures.index["open_s"] * 1000:.0f} ms'),
        (f'index of {max(figures.by_count):,} images, memory per worker', f'{figures.index["worker_mb"]:.1f} MB'),
        *((f'ratio of rates, {name}', f'{ratio:.2f}') for name, ratio in figures.ratios.items()),
        *((f'rfs on a store of {count:,} images', f'{rate:,.0f} /s') for count, rate in figures.by_count.items()),
        ('ratio of rates, largest store / smallest', f'{figures.count_ratio:.2f}'),
    ]
    head = ('patches per second, one core', 'rate', 'x stock')
    return table(head, rates) + '\n\n' + table(('further figures', ''), costs)
