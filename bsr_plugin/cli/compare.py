"""``bsr compare``: what a network gains over bicubic interpolation."""

import argparse
from pathlib import Path
from typing import get_args

import numpy as np

from bsr_plugin.atomic import replacing
from bsr_plugin.cli.output import EXIT_DONE, table, write_json
from bsr_plugin.data.degradation import Degradation
from bsr_plugin.report.compare import compare_with_bicubic
from bsr_plugin.report.crops import crop_sheet

EXAMPLE = 'bsr compare results/test_BSR_x4/visualization/Set5 --hr datasets/Set5/HR_x4 --scale 4 --picture crops.png'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument('results', type=Path, metavar='PICTURES', help='folder of pictures a test run saved')
    parser.add_argument('--hr', type=Path, required=True, metavar='HR_DIR', help='folder of the HR images')
    parser.add_argument('--scale', type=int, required=True, help='factor')
    parser.add_argument('--degradation', choices=get_args(Degradation), default='bicubic', help='default: bicubic')
    parser.add_argument('--name', default='result', help='what to call the comparison in the last line')
    parser.add_argument('--images', default='images', help='what to call the images in the last line')
    parser.add_argument('--picture', type=Path, metavar='FILE', help='write crops (bicubic | BSR | HR) to FILE')
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write the figures to FILE')


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    items = compare_with_bicubic(arguments.results, arguments.hr, arguments.scale, arguments.degradation)
    rows = [
        (
            item.name,
            f'{item.bicubic_psnr:.2f}',
            f'{item.result_psnr:.2f}',
            f'{item.result_psnr - item.bicubic_psnr:+.2f}',
        )
        for item in items
    ]
    print(table(('PSNR-Y (dB)', 'bicubic', 'BSR', 'gain'), rows))
    bicubic = float(np.mean([item.bicubic_psnr for item in items]))
    result = float(np.mean([item.result_psnr for item in items]))
    content = {
        'images': {item.name: {'bicubic': item.bicubic_psnr, 'bsr': item.result_psnr} for item in items},
        'mean': {'bicubic': bicubic, 'bsr': result},
    }
    write_json(arguments.json, content)
    if arguments.picture is not None:
        arguments.picture.parent.mkdir(parents=True, exist_ok=True)
        with replacing(arguments.picture) as temporary:
            crop_sheet(items, 'BSR').save(temporary, format='PNG')
        print(f'Crops (bicubic | BSR | HR): {arguments.picture}')
    print(
        f'{arguments.name}: BSR {result:.2f} dB, bicubic {bicubic:.2f} dB, gain {result - bicubic:.2f} dB '
        f'(PSNR-Y, {len(items)} {arguments.images})'
    )
    return EXIT_DONE
