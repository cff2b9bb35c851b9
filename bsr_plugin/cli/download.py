"""``bsr download``: the data sets of the paper, from their sources into BasicSR's folders."""

import argparse
from pathlib import Path

from bsr_plugin.cli.output import EXIT_DONE, count_of
from bsr_plugin.data.download import download
from bsr_plugin.data.sources import SOURCES, Archive, archives_of
from bsr_plugin.data.unpack import unpack

EXAMPLE = 'bsr download Set5 Set14 BSD100 Urban100'
_LEFT = 'is there, left as it is'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument('names', nargs='+', metavar='NAME', help=', '.join(SOURCES))
    root = 'folder of all data sets (default: datasets)'
    parser.add_argument('--to', type=Path, default=Path('datasets'), metavar='DIR', help=root)
    lr = parser.add_mutually_exclusive_group()
    lr.add_argument('--scale', type=int, action='append', metavar='S', help='LR images of this scale only; repeatable')
    lr.add_argument('--no-lr', action='store_true', help='HR images only: bsr prepare and tests make LR images')
    discard = 'remove an archive once it is unpacked; it is kept in DIR/archives'
    parser.add_argument('--discard', action='store_true', help=discard)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    scales = [] if arguments.no_lr else arguments.scale
    wanted = [archive for name in arguments.names for archive in archives_of(name, scales)]
    for archive in wanted:
        _bring(archive, arguments.to)
    for archive in wanted if arguments.discard else ():
        (arguments.to / 'archives' / archive.name).unlink(missing_ok=True)
    return EXIT_DONE


def _bring(archive: Archive, root: Path) -> None:
    """Downloads an archive and unpacks it, unless all it would give is there."""
    missing = [folder for folder in archive.folders if not (root / folder.target).exists()]
    for folder in archive.folders:
        if folder not in missing:
            print(f'{root / folder.target}: {_LEFT}')
    if missing:
        file = download(archive.url, archive.md5, root / 'archives')
        for target, images in unpack(file, missing, root).items():
            print(f'{target}: {count_of(images, "image") if images else _LEFT}')
