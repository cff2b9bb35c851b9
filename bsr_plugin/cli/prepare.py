"""``bsr prepare``: HR images to HR store, LR store and PIC index."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from bsr_plugin.cli.arguments import add_degradation, add_pic_index, add_shard, interval_rule
from bsr_plugin.cli.output import EXIT_DONE, EXIT_PARTLY, count_of
from bsr_plugin.data.check import check_stores
from bsr_plugin.data.prepare import Preparation, prepare
from bsr_plugin.data.store_write import Encoding

EXAMPLE = 'bsr prepare datasets/DIV2K/DIV2K_train_HR --out datasets/DIV2K --scale 4'

#: How many names stand in a sentence.
_NAMED = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument('hr_dir', type=Path, metavar='HR_DIR', help='folder of HR images')
    parser.add_argument('--out', type=Path, required=True, help='folder that gets the stores')
    add_degradation(parser)
    encodings = "raw: LMDB, fastest (default); png: LMDB that BasicSR's own data sets read; files: PNG folders"
    parser.add_argument('--encoding', choices=get_args(Encoding), default='raw', help=encodings)
    add_pic_index(parser)
    copies = 'scale augmentation: also store copies down-scaled by these factors, such as 0.9,0.8,0.7,0.6'
    parser.add_argument('--copies', type=_factors, default=(), metavar='F,F,...', help=copies)
    add_shard(parser, 'make part I of N, to be read as one with the others')
    parser.add_argument('--check', action='store_true', help='verify the stores that are there, and make nothing')


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    task = Preparation(
        source=arguments.hr_dir,
        out=arguments.out,
        scale=arguments.scale,
        degradation=arguments.degradation,
        lr_window=arguments.lr_window,
        encoding=arguments.encoding,
        shard=arguments.shard,
        channels=arguments.pic_channels,
        intervals=interval_rule(arguments),
        copies=arguments.copies,
    )
    if arguments.check:
        images = check_stores([task.hr_path, task.lr_path])
        print(f'{count_of(images, "image")} of {task.hr_path} and {task.lr_path} are intact.')
        return EXIT_DONE
    made = prepare(task)
    left_out = f', {len(made.left_out)} left out' if made.left_out else ''
    there = '' if made.made else ', there already'
    print(f'{made.hr_path} and {made.lr_path}: {count_of(made.images, "image")}{left_out}{there}.')
    if task.copies:
        left = f'{made.small_copies:,} smaller than a patch ({task.patch} HR pixels) left out'
        print(f'Down-scaled copies: {made.copies:,} stored, {left}.')
    for sentence in made.left_out:
        print(f'Left out: {sentence}')
    if made.others:
        print(_sentence_about(made.others))
    if made.index is not None:
        windows = int(made.index.windows.sum())
        print(
            f'PIC index: {windows:,} windows of {task.lr_window} LR pixels, {made.index.bins} intervals up to '
            f'{made.index.edges[-1]:.1f} grey levels, {made.index.bytes_per_window:.2f} bytes per window.'
        )
        small = made.images - made.index.usable.size
        if small:
            verb = 'is' if small == 1 else 'are'
            print(f'{count_of(small, "image")} {verb} smaller than a patch and will not be drawn.')
    return EXIT_PARTLY if made.left_out else EXIT_DONE


def _sentence_about(others: Sequence[Path]) -> str:
    folders = sum(entry.is_dir() for entry in others)
    counts = [(len(others) - folders, 'file'), (folders, 'folder')]
    what = ' and '.join(count_of(number, kind) for number, kind in counts if number)
    verb = 'is not an image and is' if len(others) == 1 else 'are not images and are'
    names = ', '.join(entry.name for entry in others[:_NAMED]) + (', ...' if len(others) > _NAMED else '')
    return f'{what} in {others[0].parent} {verb} left out: {names}'


def _factors(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in text.split(','))
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a list of factors: use F,F,... such as 0.9,0.8") from None
