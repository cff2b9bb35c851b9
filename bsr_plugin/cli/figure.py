"""``bsr figure``: the figures of the paper and of batches, one small command each."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from matplotlib.figure import Figure

from bsr_plugin.atomic import check_replaceable
from bsr_plugin.cli.output import EXIT_DONE
from bsr_plugin.cli.pic import add_store_arguments, measured
from bsr_plugin.errors import InputError
from bsr_plugin.evaluation.results import ImageResult, RunResult, SetResult
from bsr_plugin.report.baselines import lr_image, measure_baselines
from bsr_plugin.report.batch_figure import batch_figure
from bsr_plugin.report.curves import curves_figure, read_curves
from bsr_plugin.report.difference import difference_figure
from bsr_plugin.report.examples import BICUBIC_LABEL, HR_LABEL, Example, crops_figure, load_example
from bsr_plugin.report.pic_figure import distribution_figure
from bsr_plugin.report.style import FORMATS, check_format, write_figure

Named = TypeVar('Named', SetResult, ImageResult)

EXAMPLE = 'bsr figure crops results/test_BSR_x4 --image butterfly -o butterfly.pdf'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    subparsers = parser.add_subparsers(dest='kind', required=True, metavar='KIND')
    kinds = {}
    for name, summary, draw in (
        ('pic', 'patches over the intervals of PIC, with examples (Fig. 1)', _pic),
        ('batches', 'a batch by uniform and a batch by random filter sampling (section III-B)', _batches),
        ('crops', 'bicubic, test runs and HR: the detail with the most texture (Fig. 2, 7)', _crops),
        ('difference', 'L2 and Lp difference from the HR image (Fig. 8)', _difference),
        ('attention', "the groups' attention maps and mean weights (section III-C)", _attention),
        ('curves', 'training curves of several runs', _curves),
    ):
        kinds[name] = subparsers.add_parser(name, help=summary, description=f'{summary[0].upper()}{summary[1:]}.')
        kinds[name].set_defaults(draw=draw)
        picture = f'the picture ({", ".join(FORMATS)})'
        kinds[name].add_argument('-o', '--out', type=Path, required=True, metavar='FILE', help=picture)
    for name in ('pic', 'batches'):
        add_store_arguments(kinds[name])
    kinds['batches'].add_argument('--seed', type=int, default=0, metavar='N', help='seed of the batches (default 0)')
    for name, number in (('crops', '+'), ('difference', 1), ('attention', 1)):
        kinds[name].add_argument('results', nargs=number, type=Path, metavar='RESULTS', help='folder results/<name>')
        kinds[name].add_argument('--set', metavar='NAME', help='benchmark set (default: the first)')
        image = 'image (default: the first)' + ('' if name == 'difference' else '; repeatable')
        kinds[name].add_argument('--image', action='append', metavar='NAME', help=image)
    kinds['difference'].add_argument('--p', type=float, default=0.5, help='exponent of Lp (default 0.5)')
    logs = 'TensorBoard logs tb_logger/<name>'
    kinds['curves'].add_argument('logs', nargs='+', type=Path, metavar='LOG', help=logs)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    check_format(arguments.out)
    check_replaceable(arguments.out)
    write_figure(arguments.out, arguments.draw(arguments))
    print(arguments.out)
    return EXIT_DONE


def _pic(arguments: argparse.Namespace) -> Figure:
    return distribution_figure(measured(arguments))


def _batches(arguments: argparse.Namespace) -> Figure:
    if not 0 <= arguments.seed < 2**63:
        raise InputError(f'--seed is {arguments.seed}: use 0 to {2**63 - 1}.')
    return batch_figure(measured(arguments), arguments.seed)


def _crops(arguments: argparse.Namespace) -> Figure:
    return crops_figure(_examples(arguments))


def _difference(arguments: argparse.Namespace) -> Figure:
    if not 0 < arguments.p <= 1:
        raise InputError(f'--p is {arguments.p}: use a number above 0 and up to 1.')
    if len(arguments.image or ()) > 1:
        raise InputError(f'--image names {", ".join(arguments.image)}: the figure shows one image, name one.')
    (example,) = _examples(arguments)
    result = next(version for version in example.versions if version.label not in (BICUBIC_LABEL, HR_LABEL))
    return difference_figure(result.picture, example.versions[-1].picture, result.caption, arguments.p)


def _attention(arguments: argparse.Namespace) -> Figure:
    from bsr_plugin.report.attention import attention_figure, measure_attention

    (run,), part, images = _named(arguments)
    return attention_figure(measure_attention(run, [lr_image(part, image) for image in images]))


def _curves(arguments: argparse.Namespace) -> Figure:
    return curves_figure({log.name: read_curves(log) for log in arguments.logs})


def _named(arguments: argparse.Namespace) -> tuple[list[RunResult], SetResult, list[ImageResult]]:
    """The runs, and the set and the images of the first of them that the command line names."""
    from bsr_plugin.report.build import load_runs

    runs = load_runs(arguments.results)
    part = _called(arguments.set, [part for part in runs[0].sets if part.images], str(arguments.results[0]))
    return runs, part, [_called(name, part.images, part.name) for name in arguments.image or (None,)]


def _examples(arguments: argparse.Namespace) -> list[Example]:
    """The named images in the versions of all runs."""
    runs, part, images = _named(arguments)
    if not any(image.picture for image in images):
        raise InputError(f'{arguments.results[0]} has no pictures: run the test with save_img: true.')
    baselines, _ = measure_baselines([replace(part, images=images)])
    return [load_example(runs, part, image, baselines) for image in images]


def _called(name: str | None, among: Sequence[Named], where: str) -> Named:
    """The set or image of a name; the first without one.

    Raises:
        InputError: There is none; the message says which there are.
    """
    for each in among:
        if name in (None, each.name):
            return each
    raise InputError(f"{where} has no '{name}': use {', '.join(each.name for each in among)}.")
