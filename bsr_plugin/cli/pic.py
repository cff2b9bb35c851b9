"""``bsr pic``: how the patches of a data set are spread over the intervals."""

import argparse
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from bsr_plugin.cli.output import EXIT_DONE, table, write_json
from bsr_plugin.pic.index import PICIndex
from bsr_plugin.pic.intervals import IntervalRule
from bsr_plugin.pic.measure import ChannelRule
from bsr_plugin.report.pic_distribution import Distribution, distribution_of

EXAMPLE = 'bsr pic datasets/DIV2K/LR_bicubic_x4.lmdb --picture pic.png'

_BAR = 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_measured_arguments(parser)
    parser.add_argument(
        '--picture', type=Path, metavar='FILE', help='plot the distribution with patches to FILE (PNG, SVG or PDF)'
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write the figures to FILE')


def add_measured_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what ``measured`` reads."""
    bins, quantile = IntervalRule.bins, IntervalRule.quantile
    parser.add_argument('store', type=Path, metavar='LR_STORE', help='LMDB or folder of LR images')
    parser.add_argument('--lr-window', type=int, default=48, metavar='PIXELS', help='LR patch (default 48)')
    parser.add_argument('--pic-bins', type=int, default=bins, metavar='P', help=f'intervals (default {bins})')
    parser.add_argument(
        '--pic-quantile', type=float, default=quantile, metavar='Q', help=f'share they span (default {quantile})'
    )
    parser.add_argument('--pic-channels', choices=get_args(ChannelRule), default='max', help='default: max')


def measured(arguments: argparse.Namespace) -> Distribution:
    """The distribution of the store that is named; builds its index if it has none."""
    rule = IntervalRule(bins=arguments.pic_bins, quantile=arguments.pic_quantile)
    return distribution_of(arguments.store, arguments.lr_window, rule, arguments.pic_channels)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    found = measured(arguments)
    print(_listing(found.index, found.uniform, found.balanced))
    shares = {'uniform': found.uniform.tolist(), 'balanced': found.balanced.tolist()}
    write_json(arguments.json, {'edges': found.index.edges.tolist(), **shares})
    if arguments.picture is not None:
        from bsr_plugin.report.pic_figure import distribution_figure
        from bsr_plugin.report.style import write_figure

        write_figure(arguments.picture, distribution_figure(found))
        print(f'Distribution and example patches: {arguments.picture}')
    return EXIT_DONE


def _listing(index: PICIndex, before: NDArray[np.float64], after: NDArray[np.float64]) -> str:
    rows = []
    for interval, (uniform, balanced) in enumerate(zip(before.tolist(), after.tolist(), strict=True)):
        top = f'{index.edges[interval + 1]:.1f}' if interval + 1 < index.bins else 'up'
        bar = '#' * round(_BAR * uniform / max(before.max(), 1e-9))
        rows.append((f'{index.edges[interval]:.1f} - {top}', f'{uniform:.2%}', f'{balanced:.2%}', bar.ljust(_BAR)))
    windows = int(index.windows.sum())
    head = f'{windows:,} windows of {index.window} LR pixels in {index.usable.size:,} images; PIC in grey levels'
    return f'{head}\n' + table(('interval', 'uniform', 'rfs', 'uniform'.ljust(_BAR)), rows)
