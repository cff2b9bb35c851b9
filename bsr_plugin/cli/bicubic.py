"""``bsr bicubic``: the paper's baseline row."""

import argparse
from pathlib import Path

from bsr_plugin.cli.arguments import add_degradation, add_json
from bsr_plugin.cli.output import EXIT_DONE, table, write_json
from bsr_plugin.report.bicubic import Quality, bicubic_baseline, mean_quality

EXAMPLE = 'bsr bicubic datasets/Set5/GTmod12 --scale 4'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument('hr_dir', type=Path, metavar='HR_DIR', help='folder of HR images')
    add_degradation(parser)
    add_json(parser)


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
