"""``bsr pic``: how the patches of a data set are spread over the intervals."""

import argparse
from pathlib import Path

from bsr_plugin.cli.arguments import add_json, add_pic_index, interval_rule
from bsr_plugin.cli.output import EXIT_DONE, table, write_json
from bsr_plugin.report.pic_distribution import Distribution, distribution_of
from bsr_plugin.report.pic_figure import distribution_figure
from bsr_plugin.report.style import FORMATS, check_format, write_figure

EXAMPLE = 'bsr pic datasets/DIV2K/LR_bicubic_x4.lmdb --picture pic.png'

_BAR = 40
_MEASURED = {
    'gradient': 'PIC in grey levels',
    'residual': 'residual of bicubic interpolation in grey levels',
    'maps': 'score by the maps',
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_store_arguments(parser)
    picture = f'plot the distribution with patches to FILE ({", ".join(FORMATS)})'
    parser.add_argument('--picture', type=Path, metavar='FILE', help=picture)
    add_json(parser)


def add_store_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what ``measured`` reads."""
    parser.add_argument('store', type=Path, metavar='LR_STORE', help='LMDB or folder of LR images')
    add_pic_index(parser)
    score = 'what intervals are of: gradient (default), residual, or a folder of maps'
    parser.add_argument('--score', default='gradient', metavar='SCORE', help=score)
    parser.add_argument('--hr', type=Path, metavar='HR_STORE', help='LMDB or folder of HR images, for the residual')


def measured(arguments: argparse.Namespace) -> Distribution:
    """The distribution of the store that is named; builds its index if it has none."""
    rule, channels = interval_rule(arguments), arguments.pic_channels
    return distribution_of(arguments.store, arguments.lr_window, rule, channels, arguments.score, arguments.hr)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    if arguments.picture is not None:
        check_format(arguments.picture)
    found = measured(arguments)
    print(_listing(found))
    shares = {'uniform': found.uniform.tolist(), 'balanced': found.balanced.tolist()}
    write_json(arguments.json, {'edges': found.index.edges.tolist(), **shares})
    if arguments.picture is not None:
        write_figure(arguments.picture, distribution_figure(found))
        print(f'Distribution and example patches: {arguments.picture}')
    return EXIT_DONE


def _listing(found: Distribution) -> str:
    index = found.index
    rows = []
    for interval, (uniform, balanced) in enumerate(zip(found.uniform, found.balanced, strict=True)):
        top = f'{index.edges[interval + 1]:.1f}' if interval + 1 < index.bins else 'up'
        bar = '#' * round(_BAR * uniform / max(found.uniform.max(), 1e-9))
        rows.append((f'{index.edges[interval]:.1f} - {top}', f'{uniform:.2%}', f'{balanced:.2%}', bar.ljust(_BAR)))
    windows = int(index.windows.sum())
    images, score = index.usable.size, _MEASURED[index.key['score']]
    head = f'{windows:,} windows of {index.window} LR pixels in {images:,} images; {score}'
    return f'{head}\n' + table(('interval', 'uniform', 'rfs', 'uniform'.ljust(_BAR)), rows)
