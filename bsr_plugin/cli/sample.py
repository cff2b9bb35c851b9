"""``bsr sample``: photographs to try everything with."""

import argparse
from pathlib import Path

from bsr_plugin.cli.output import EXIT_DONE
from bsr_plugin.data.sample import HELD_OUT, TRAINING, write_sample

EXAMPLE = 'bsr sample --out datasets/sample'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument('--out', type=Path, required=True, help='folder that gets the folders train and test')


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    training, held_out = write_sample(arguments.out)
    print(f'{training}: {len(TRAINING)} photographs to train on; {held_out}: {len(HELD_OUT)} held out.')
    return EXIT_DONE
