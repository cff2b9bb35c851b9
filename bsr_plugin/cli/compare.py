"""``bsr compare``: what a network gains over bicubic interpolation."""

import argparse
from pathlib import Path

import numpy as np

from bsr_plugin.cli.arguments import add_degradation, add_json
from bsr_plugin.cli.output import EXIT_DONE, table, write_json
from bsr_plugin.report.compare import compare_with_bicubic
from bsr_plugin.report.examples import crops_figure
from bsr_plugin.report.style import FORMATS, write_figure

EXAMPLE = 'bsr compare results/test_BSR_x4/visualization/Set5 --hr datasets/Set5/HR_x4 --scale 4 --picture crops.png'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument('results', type=Path, metavar='PICTURES', help='folder of pictures a test run saved')
    parser.add_argument('--hr', type=Path, required=True, metavar='HR_DIR', help='folder of the HR images')
    add_degradation(parser)
    parser.add_argument('--name', default='result', help='what to call the comparison in the last line')
    parser.add_argument('--images', default='images', help='what to call the images in the last line')
    crops = f'write crops (bicubic | BSR | HR) to FILE ({", ".join(FORMATS)})'
    parser.add_argument('--picture', type=Path, metavar='FILE', help=crops)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    examples = compare_with_bicubic(arguments.results, arguments.hr, arguments.scale, arguments.degradation)
    figures = {example.name: [version.psnr or 0.0 for version in example.versions[:2]] for example in examples}
    rows = [
        (name, f'{bicubic:.2f}', f'{result:.2f}', f'{result - bicubic:+.2f}')
        for name, (bicubic, result) in figures.items()
    ]
    print(table(('PSNR-Y (dB)', 'bicubic', 'BSR', 'gain'), rows))
    bicubic, result = np.mean(list(figures.values()), axis=0).tolist()
    images = {name: dict(zip(('bicubic', 'bsr'), psnrs, strict=True)) for name, psnrs in figures.items()}
    write_json(arguments.json, {'images': images, 'mean': {'bicubic': bicubic, 'bsr': result}})
    if arguments.picture is not None:
        write_figure(arguments.picture, crops_figure(examples))
        print(f'Crops (bicubic | BSR | HR): {arguments.picture}')
    print(
        f'{arguments.name}: BSR {result:.2f} dB, bicubic {bicubic:.2f} dB, gain {result - bicubic:.2f} dB '
        f'(PSNR-Y, {len(examples)} {arguments.images})'
    )
    return EXIT_DONE
