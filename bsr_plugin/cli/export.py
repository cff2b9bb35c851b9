"""``bsr export``: a network as ONNX, ``torch.export`` or safetensors file."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from bsr_plugin.atomic import check_replaceable
from bsr_plugin.cli.arguments import add_json
from bsr_plugin.cli.output import EXIT_DONE, write_json
from bsr_plugin.data.degradation import Degradation
from bsr_plugin.errors import InputError
from bsr_plugin.interruption import ended_by_ctrl_c
from bsr_plugin.weights import existing_file, open_bsrnet

if TYPE_CHECKING:
    from bsr_plugin.archs.bsr_arch import BSRNet
    from bsr_plugin.models.weights import WeightsFile
    from bsr_plugin.weights.about import WeightsMetadata

EXAMPLE = 'bsr export x2 -o bsr_x2.onnx'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    weights = 'name of pretrained weights, such as x2, or a file of a BSRNet: checkpoint or safetensors'
    parser.add_argument('weights', metavar='WEIGHTS', help=weights)
    out = 'the file, verified before it takes its place; its ending is the format: .onnx, .pt2 or .safetensors'
    parser.add_argument('-o', '--out', type=Path, required=True, metavar='FILE', help=out)
    key = 'entry of a checkpoint (default: params_ema, or else params)'
    parser.add_argument('--param-key', metavar='KEY', help=key)
    half = (
        'weights in float16, in .onnx and .pt2 the arithmetic too; default: in .safetensors, where no image loses '
        '0.005 dB by it'
    )
    parser.add_argument('--half', action=argparse.BooleanOptionalAction, help=half)
    images = 'HR images on which that loss is measured (default: photographs that scikit-image ships)'
    parser.add_argument('--images', type=Path, metavar='HR_DIR', help=images)
    parser.add_argument('--degradation', choices=get_args(Degradation), help='what the network was trained for')
    recipe = 'option file of the training, whose training set is there: both become part of what the file says'
    parser.add_argument('--recipe', type=Path, metavar='FILE', help=recipe)
    results = 'folder results/NAME of a test run with these weights: its scores become part of what the file says'
    parser.add_argument('--results', type=Path, metavar='DIR', help=results)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    check_replaceable(arguments.out)
    path = existing_file(arguments.weights)
    with ended_by_ctrl_c('bsr export: interrupted'):
        from bsr_plugin.export.export import export, format_of
        from bsr_plugin.export.verification import FLOAT16_LIMIT, FLOAT32_LIMIT
        from bsr_plugin.models.load_network import bsrnet_in
    form = format_of(arguments.out)
    if arguments.images is not None and not _is_precision_measured(arguments):
        raise InputError(
            f'--images is {arguments.images}, but it serves to try float16, which is tried for .safetensors without '
            '--half and --no-half alone: leave it out.'
        )
    file = replace(open_bsrnet(path), option='--param-key')
    network = bsrnet_in(file, arguments.param_key).requires_grad_(False)
    about = _described(arguments, file, network)
    is_half = _is_half(arguments, network, about) if _is_precision_measured(arguments) else bool(arguments.half)
    made = export(network, about, arguments.out, 'float16' if is_half else 'float32')
    most, limit = f'{made.difference.most:.3g}', f'limit {FLOAT32_LIMIT:g}'
    if is_half:
        limit = f'99.9 % at most {most} (limit {FLOAT16_LIMIT:g})'
    print(
        f'{made.path}: {form.name}, {made.about.precision}, {made.size / 1e6:.2f} MB; largest difference to PyTorch in '
        f'float32 {made.difference.largest:.3g} grey levels, {limit}.'
    )
    figures = {
        'file': str(made.path),
        'format': form.name,
        'precision': made.about.precision,
        'bytes': made.size,
        'largest_difference': made.difference.largest,
        'difference_of_most': made.difference.most,
    }
    write_json(arguments.json, figures)
    return EXIT_DONE


def _described(arguments: argparse.Namespace, file: 'WeightsFile', network: 'BSRNet') -> 'WeightsMetadata':
    """What the file that is exported says of itself, and what the command line adds."""
    from bsr_plugin.weights.about import WeightsMetadata
    from bsr_plugin.weights.provenance import recipe_of, scores_of, training_set_of

    about = WeightsMetadata.of(file, network)
    if arguments.recipe is not None:
        recipe, training_set = recipe_of(arguments.recipe), training_set_of(arguments.recipe)
        about = replace(about, recipe=recipe, training_set=training_set)
    if arguments.results is not None:
        scores, degradation = scores_of(arguments.results, network)
        about = replace(about, scores=scores, degradation=degradation)
    if arguments.degradation is not None:
        about = replace(about, degradation=arguments.degradation)
    return about


def _is_precision_measured(arguments: argparse.Namespace) -> bool:
    """Whether float16 is taken if it costs nothing, since nobody says."""
    return arguments.half is None and arguments.out.suffix == '.safetensors'


def _is_half(arguments: argparse.Namespace, network: 'BSRNet', about: 'WeightsMetadata') -> bool:
    """Whether float16 costs nothing."""
    from bsr_plugin.data.image_file import list_images, read_image
    from bsr_plugin.data.sample import held_out_photographs
    from bsr_plugin.export.half_precision import LARGEST_LOSS, largest_loss

    files = held_out_photographs() if arguments.images is None else list_images(arguments.images)
    loss = largest_loss(network, map(read_image, files), about.degradation or 'bicubic')
    print(f'float16 weights lose {loss:.4f} dB at most (limit {LARGEST_LOSS} dB).')
    return loss < LARGEST_LOSS
