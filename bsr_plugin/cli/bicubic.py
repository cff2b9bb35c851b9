"""``bsr bicubic``: the paper's baseline row."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import get_args

from bsr_plugin.cli.output import EXIT_DONE, table, write_json
from bsr_plugin.data.degradation import Degradation
from bsr_plugin.report.bicubic import bicubic_baseline

EXAMPLE = 'bsr bicubic datasets/Set5/original --scale 4'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument('hr_dir', type=Path, metavar='HR_DIR', help='folder of HR images')
    parser.add_argument('--scale', type=int, required=True, help='factor, 2 or more')
    parser.add_argument('--degradation', choices=get_args(Degradation), default='bicubic', help='default: bicubic')
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write the figures to FILE')


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    baseline = bicubic_baseline(arguments.hr_dir, arguments.scale, arguments.degradation)
    rows = [(name, f'{quality.psnr_y:.4f}', f'{quality.ssim_y:.4f}') for name, quality in baseline.images.items()]
    mean = (f'mean of {len(rows)}', f'{baseline.mean.psnr_y:.4f}', f'{baseline.mean.ssim_y:.4f}')
    print(table(('image', 'PSNR-Y (dB)', 'SSIM-Y'), [*rows, mean]))
    content = {
        'scale': arguments.scale,
        'degradation': arguments.degradation,
        **asdict(baseline.mean),
        'images': {name: asdict(quality) for name, quality in baseline.images.items()},
    }
    write_json(arguments.json, content)
    return EXIT_DONE
