"""``bsr bicubic``: the paper's baseline row."""

import argparse
from pathlib import Path
from typing import get_args

from bsr_plugin.cli.output import EXIT_DONE, table, write_json
from bsr_plugin.data.degradation import Degradation
from bsr_plugin.report.bicubic import Quality, bicubic_baseline, mean_quality

EXAMPLE = 'bsr bicubic datasets/Set5/original --scale 4'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument('hr_dir', type=Path, metavar='HR_DIR', help='folder of HR images')
    parser.add_argument('--scale', type=int, required=True, help='factor, 2 or more')
    parser.add_argument('--degradation', choices=get_args(Degradation), default='bicubic', help='default: bicubic')
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write the figures to FILE')


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    qualities = bicubic_baseline(arguments.hr_dir, arguments.scale, arguments.degradation)
    images = {name: _figures(quality) for name, quality in qualities.items()}
    mean = _figures(mean_quality(qualities.values()))
    rows = [(name, *(f'{value:.4f}' for value in each.values())) for name, each in images.items()]
    rows.append((f'mean of {len(rows)}', *(f'{value:.4f}' for value in mean.values())))
    print(table(('image', 'PSNR-Y (dB)', 'SSIM-Y'), rows))
    content = {'scale': arguments.scale, 'degradation': arguments.degradation, **mean, 'images': images}
    write_json(arguments.json, content)
    return EXIT_DONE


def _figures(quality: Quality) -> dict[str, float]:
    return {'psnr_y': quality.psnr_y, 'ssim_y': quality.ssim_y}
