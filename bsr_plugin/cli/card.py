"""``bsr card``: the model card of a safetensors file, in Markdown."""

import argparse
from pathlib import Path

from bsr_plugin.atomic import write_text
from bsr_plugin.cli.output import EXIT_DONE
from bsr_plugin.errors import InputError
from bsr_plugin.interruption import ended_by_ctrl_c
from bsr_plugin.weights import existing_file

EXAMPLE = 'bsr card bsr_x2.safetensors'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    weights = 'name of pretrained weights, such as x2, or a safetensors file that bsr export wrote'
    parser.add_argument('weights', metavar='WEIGHTS', help=weights)
    out = 'where the card goes (default: beside the file, with the ending .md)'
    parser.add_argument('-o', '--out', type=Path, metavar='FILE', help=out)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    file = existing_file(arguments.weights)
    with ended_by_ctrl_c('bsr card: interrupted'):
        from bsr_plugin.models.safetensors_file import SUFFIX, read
        from bsr_plugin.weights.about import WeightsMetadata
        from bsr_plugin.weights.card import card
    if file.suffix != SUFFIX:
        raise InputError(f'{file} is not a safetensors file: make one with bsr export {file} -o FILE{SUFFIX}.')
    out = arguments.out or file.with_suffix('.md')
    if out.exists() and out.samefile(file):
        raise InputError(f'{out} is the file of weights, and would be written over: name another file with -o.')
    write_text(out, card(WeightsMetadata.from_header(read(file)[1], file), file.name))
    print(f'Model card: {out}')
    return EXIT_DONE
