"""``bsr bench data``: what balanced batches cost."""

import argparse
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bsr_plugin.bench.data import DataSetting, measure_data
from bsr_plugin.bench.tables import sampling_costs, sampling_rates
from bsr_plugin.cli.output import table


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
    figures = asdict(measure_data(DataSetting(images, **given), folder / 'stores'))
    return '\n\n'.join(table(*each) for each in (sampling_rates(figures), sampling_costs(figures))), figures
