"""``bsr compare``: what networks gain over bicubic interpolation."""

import argparse
from pathlib import Path

import numpy as np

from bsr_plugin.cli.arguments import add_degradation, add_json
from bsr_plugin.cli.output import EXIT_DONE, table, write_json
from bsr_plugin.errors import InputError
from bsr_plugin.report.compare import compare_with_bicubic
from bsr_plugin.report.examples import crops_figure
from bsr_plugin.report.style import FORMATS, check_format, write_figure

EXAMPLE = 'bsr compare results/test_BSR_x4/visualization/Set5 --hr datasets/Set5/GTmod12 --scale 4 --picture crops.png'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument('results', type=Path, metavar='PICTURES', help='folder of pictures a test run saved')
    parser.add_argument('--hr', type=Path, required=True, metavar='HR_DIR', help='folder of the HR images')
    add_degradation(parser)
    parser.add_argument('--label', default='BSR', help='what to call the pictures in the table and the crops')
    beside = 'another folder of pictures to compare beside, and what to call it; repeatable'
    parser.add_argument('--beside', action='append', default=[], metavar='LABEL=PICTURES', help=beside)
    parser.add_argument('--name', default='result', help='what to call the comparison in the last line')
    parser.add_argument('--images', default='images', help='what to call the images in the last line')
    crops = f'write crops (bicubic | BSR | HR) to FILE ({", ".join(FORMATS)})'
    parser.add_argument('--picture', type=Path, metavar='FILE', help=crops)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command.

    Raises:
        InputError: A label is there twice, pictures are missing or do not fit, or ``--picture`` is no figure's file.
    """
    pictures = _pictures(arguments)
    if arguments.picture is not None:
        check_format(arguments.picture)
    examples = compare_with_bicubic(pictures, arguments.hr, arguments.scale, arguments.degradation)
    figures = {example.name: [version.psnr or 0.0 for version in example.versions[:-1]] for example in examples}
    rows = [
        (name, *(f'{psnr:.2f}' for psnr in psnrs), f'{psnrs[1] - psnrs[0]:+.2f}') for name, psnrs in figures.items()
    ]
    print(table(('PSNR-Y (dB)', 'bicubic', *pictures, 'gain'), rows))
    bicubic, *results = np.mean(list(figures.values()), axis=0).tolist()
    keys = ('bicubic', 'bsr', *list(pictures)[1:])
    images = {name: dict(zip(keys, psnrs, strict=True)) for name, psnrs in figures.items()}
    write_json(arguments.json, {'images': images, 'mean': dict(zip(keys, (bicubic, *results), strict=True))})
    if arguments.picture is not None:
        write_figure(arguments.picture, crops_figure(examples))
        print(f'Crops ({" | ".join(version.label for version in examples[0].versions)}): {arguments.picture}')
    # The comparison that was asked for comes last.
    lines = dict(zip((arguments.name, *list(pictures)[1:]), results, strict=True))
    for name, result in reversed(lines.items()):
        print(
            f'{name}: BSR {result:.2f} dB, bicubic {bicubic:.2f} dB, gain {result - bicubic:.2f} dB '
            f'(PSNR-Y, {len(examples)} {arguments.images})'
        )
    return EXIT_DONE


def _pictures(arguments: argparse.Namespace) -> dict[str, Path]:
    """Label -> folder, that of the comparison itself first."""
    pictures = {arguments.label: arguments.results}
    for words in arguments.beside:
        label, equals, folder = words.partition('=')
        if not (label and equals and folder):
            raise InputError(f'--beside is {words!r}: use LABEL=PICTURES.')
        if label in (*pictures, arguments.name, 'bicubic', 'bsr'):
            raise InputError(f'--beside calls {folder} {label!r}, a name that is taken: use another label.')
        pictures[label] = Path(folder)
    return pictures
