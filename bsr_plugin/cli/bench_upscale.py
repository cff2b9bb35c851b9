"""``bsr bench upscale``: output megapixels per second of networks and of interpolation."""

import argparse
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from bsr_plugin.allocator import keep_freed_memory
from bsr_plugin.bench.tables import upscalers
from bsr_plugin.bench.upscale import PEERS, UpscaleSetting, measure_upscale
from bsr_plugin.cli.output import table
from bsr_plugin.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the benchmark's arguments, named as the fields of its setting."""
    parser.add_argument('--device', choices=['cpu', 'cuda'], help='of the networks (default cpu)')
    parser.add_argument('--scale', type=int, metavar='N', help='factor (default: that of the weights, or 2)')
    weights = 'of a BSRNet (default: those that ship, or else a new network)'
    parser.add_argument('--weights', metavar='NAME|FILE', help=weights)
    size = f'size of the largest result (default {UpscaleSetting.megapixels:g})'
    parser.add_argument('--megapixels', type=float, metavar='MP', help=size)
    parser.add_argument(
        '--peers', nargs='*', choices=PEERS, metavar='NAME', help=f'of {" ".join(PEERS)} (default: all)'
    )


def measure(given: Mapping[str, Any], images: Path, folder: Path) -> tuple[str, dict[str, Any]]:
    """Measures; gives what to print and the figures."""
    if given.get('device') == 'cuda' and not torch.cuda.is_available():
        raise InputError('--device is cuda, but torch finds no GPU here: leave it out, or use cpu.')
    if given.get('megapixels', 1) <= 0:
        raise InputError(f'--megapixels is {given["megapixels"]:g}: use a number above 0.')
    keep_freed_memory()
    setting = UpscaleSetting(**given)
    figures = asdict(measure_upscale(setting, images, folder))
    products = ', '.join(f'{name} {rate:,.0f}' for name, rate in figures['matrix_gmacs_per_s'].items())
    return f'{table(*upscalers(figures))}\n\nthe limit, a matrix product, GMAC/s: {products}', figures
