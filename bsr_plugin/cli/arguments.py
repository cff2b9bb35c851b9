"""Arguments that several commands take."""

import argparse
from math import isfinite, nan
from pathlib import Path
from typing import get_args

from bsr_plugin.data.degradation import Degradation
from bsr_plugin.errors import InputError
from bsr_plugin.pic.intervals import IntervalRule, Spacing
from bsr_plugin.pic.measure import ChannelRule


def add_degradation(parser: argparse.ArgumentParser) -> None:
    """``--scale`` and ``--degradation``: how the LR images are made."""
    parser.add_argument('--scale', type=int, required=True, help='down-sampling factor, 2 or more')
    parser.add_argument('--degradation', choices=get_args(Degradation), default='bicubic', help='default: bicubic')


def add_json(parser: argparse.ArgumentParser) -> None:
    """``--json``: where the figures are written."""
    parser.add_argument('--json', type=Path, default=None, metavar='FILE', help='also write the figures to FILE')


def add_shard(parser: argparse.ArgumentParser, what: str) -> None:
    """``--shard``: which part of the work, as (I, N); ``what`` is the help."""
    parser.add_argument('--shard', type=_shard, metavar='I/N', help=what)


def _shard(text: str) -> tuple[int, int]:
    number, _, total = text.partition('/')
    if not (number.isdigit() and total.isdigit()):
        raise argparse.ArgumentTypeError(f"'{text}' is not a shard: use i/n, such as 2/8")
    return int(number), int(total)


def add_pic_index(parser: argparse.ArgumentParser) -> None:
    """What a PIC index is built for."""
    bins, quantile = IntervalRule.bins, IntervalRule.quantile
    parser.add_argument('--lr-window', type=int, default=48, metavar='PIXELS', help='side of an LR patch (default 48)')
    parser.add_argument('--pic-bins', type=int, default=bins, metavar='P', help=f'intervals of PIC (default {bins})')
    share = f'share of windows they span (default {quantile})'
    parser.add_argument('--pic-quantile', type=float, default=quantile, metavar='Q', help=share)
    edges = 'edges of the intervals in grey levels, in place of --pic-bins and --pic-quantile'
    parser.add_argument('--pic-edges', type=_edges, metavar='0,K,...', help=edges)
    parser.add_argument('--pic-spacing', choices=get_args(Spacing), default='width', help='default: width')
    parser.add_argument('--pic-channels', choices=get_args(ChannelRule), default='max', help='default: max')


def interval_rule(arguments: argparse.Namespace) -> IntervalRule:
    """The intervals that :func:`add_pic_index` asked for.

    Raises:
        InputError: There are no such intervals.
    """
    edges, spacing = arguments.pic_edges, arguments.pic_spacing
    if edges is not None and spacing == 'quantile':
        raise InputError('--pic-spacing is quantile, and --pic-edges is given: leave one of the two out.')
    return IntervalRule(arguments.pic_bins, arguments.pic_quantile, edges, spacing)


def _edges(text: str) -> tuple[float, ...]:
    try:
        edges = tuple(float(word) for word in text.split(','))
    except ValueError:
        edges = (nan,)
    if not all(map(isfinite, edges)):
        raise argparse.ArgumentTypeError(f"'{text}' is not a list of edges: use 0,K,... such as 0,20,50")
    return edges
