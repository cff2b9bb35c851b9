"""``bsr upscale``: upscales image files, folders and glob patterns."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from bsr_plugin.allocator import keep_freed_memory
from bsr_plugin.cli.arguments import add_json, add_shard
from bsr_plugin.cli.output import EXIT_DONE, EXIT_PARTLY, EXIT_WRONG_INPUT, count_of, write_json
from bsr_plugin.errors import InputError
from bsr_plugin.interruption import ended_by_ctrl_c
from bsr_plugin.progress import progress
from bsr_plugin.upscaling.plan import Job, comparison_path, plan, shard_of
from bsr_plugin.upscaling.settings import MAX_PIXELS, QUALITY, SMALLEST_TILE, SUFFIXES, TILE, Device, Precision
from bsr_plugin.upscaling.watching import Watcher

if TYPE_CHECKING:
    from tqdm import tqdm

    from bsr_plugin.upscaling.files import Outcome

EXAMPLE = 'bsr upscale photos -o photos_x2 --scale 2'

#: How many names stand in the last line.
_NAMED = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    what = (
        'image files, folders (with what is below, but for links to folders), or patterns such as '
        "'photos/**/*.jpg' (which follow links)"
    )
    parser.add_argument('inputs', nargs='+', metavar='INPUT', help=what)
    out = 'folder of the results; for a single file also the file itself'
    parser.add_argument('-o', '--out', type=Path, required=True, metavar='OUT', help=out)
    parser.add_argument('--scale', type=int, help='factor (default: that of the weights, or 2)')
    weights = 'name of pretrained weights, or a checkpoint, safetensors or ONNX file'
    parser.add_argument('--weights', metavar='NAME|FILE', help=f'{weights} (default: those that ship for the scale)')
    parser.add_argument('--self-ensemble', action='store_true', help='mean over eight flips and rotations')
    parser.add_argument('--device', choices=get_args(Device), default='auto', help='default: the GPU if there is one')
    precision = 'default: bf16 where the device computes it and it loses less than 0.01 dB, which is measured'
    parser.add_argument('--precision', choices=get_args(Precision), default='auto', help=precision)
    tile = f'side of a tile in LR pixels, which sets the memory (default {TILE})'
    parser.add_argument('--tile', type=int, default=TILE, metavar='PIXELS', help=tile)
    kinds = [suffix.removeprefix('.') for suffix in SUFFIXES]
    parser.add_argument('--format', choices=kinds, help='of the results (default: that of the input, or png)')
    quality = f'of JPEG, WebP and AVIF, 1 to 100 (default {QUALITY})'
    parser.add_argument('--quality', type=int, default=QUALITY, metavar='Q', help=quality)
    parser.add_argument('--compare', action='store_true', help='also write bicubic | BSR, side by side')
    add_shard(parser, 'upscale part I of N, beside others that do the rest')
    parser.add_argument('--overwrite', action='store_true', help='regenerate outputs that already exist')
    most = f'refuse larger inputs (default {MAX_PIXELS:,})'
    parser.add_argument('--max-pixels', type=int, default=MAX_PIXELS, metavar='N', help=most)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    _check(arguments)
    suffix = f'.{arguments.format}' if arguments.format else None
    jobs = plan(arguments.inputs, arguments.out, suffix, arguments.compare)
    _check_json(arguments.json, jobs)
    if arguments.shard is not None:
        jobs = shard_of(jobs, *arguments.shard)
    with ended_by_ctrl_c('bsr upscale: interrupted'):
        from bsr_plugin.upscaling.files import FileSettings, upscale_files
        from bsr_plugin.upscaling.network import load_network
        from bsr_plugin.upscaling.strips import Tiling
    keep_freed_memory()
    network = load_network(arguments.weights, arguments.scale, arguments.device, arguments.precision)
    print(f'{count_of(len(jobs), "image")}, x{network.scale}, weights {network.name}, {network.precision}', flush=True)
    settings = FileSettings(
        self_ensemble=arguments.self_ensemble,
        tiling=Tiling(arguments.tile),
        quality=arguments.quality,
        max_pixels=arguments.max_pixels,
        overwrite=arguments.overwrite,
        compare=arguments.compare,
    )
    began = time.perf_counter()
    with _bar(jobs, network.scale) as bar:
        outcome = upscale_files(jobs, network, settings, _Shown(bar, len(jobs)))
    rate = outcome.pixels / 1e6 / (time.perf_counter() - began)
    content = {
        'done': [str(path) for path in outcome.done],
        'skipped': [str(path) for path in outcome.skipped],
        'failed': {str(path): reason for path, reason in outcome.failed.items()},
        'weights': network.name,
        'scale': network.scale,
        'precision': network.precision,
        'megapixels_per_s': rate,
    }
    write_json(arguments.json, content)
    print(_last_line(outcome, rate))
    if not outcome.failed:
        return EXIT_DONE
    return EXIT_PARTLY if outcome.done or outcome.skipped else EXIT_WRONG_INPUT


def _check(arguments: argparse.Namespace) -> None:
    if arguments.scale not in (None, 2, 3, 4, 8):
        raise InputError(f'--scale is {arguments.scale}: use 2, 3, 4 or 8.')
    if arguments.tile < SMALLEST_TILE:
        raise InputError(f'--tile is {arguments.tile}: use {SMALLEST_TILE} or more.')
    if not 1 <= arguments.quality <= 100:
        raise InputError(f'--quality is {arguments.quality}: use 1 to 100.')
    if arguments.max_pixels < 1:
        raise InputError(f'--max-pixels is {arguments.max_pixels}: use 1 or more.')


def _check_json(file: Path | None, jobs: Sequence[Job]) -> None:
    if file is not None:
        images = {path for job in jobs for path in (job.source, job.target, comparison_path(job.target))}
        if os.path.realpath(file) in map(os.path.realpath, images):
            raise InputError(f'--json is {file}, which is one of the images: name another file.')


def _bar(jobs: Sequence[Job], scale: int) -> 'tqdm':
    """A bar over the output pixels of all files, as far as their headers can be read."""
    from bsr_plugin.upscaling.reading import pixels_of

    total = scale**2 * sum(pixels_of(job.source) for job in jobs) if sys.stderr.isatty() else 0
    return progress(total=total, label='Upscaling', unit='px', unit_scale=True)


class _Shown(Watcher):
    """Moves a bar, and says at once what fails."""

    def __init__(self, bar: 'tqdm', count: int) -> None:
        self._bar, self._count, self._number = bar, count, 0

    def begin(self, job: Job) -> None:
        self._number += 1
        self._bar.set_postfix_str(f'{self._number}/{self._count} {job.source.name}', refresh=False)

    def advance(self, pixels: float) -> None:
        self._bar.update(pixels)

    def failed(self, job: Job, reason: str) -> None:
        self._bar.clear()
        print(f'bsr upscale: {reason}', file=sys.stderr)


def _last_line(outcome: 'Outcome', rate: float) -> str:
    parts = [f'{count_of(len(outcome.done), "image")} upscaled']
    if outcome.done:
        parts[0] += f' ({rate:.2f} megapixels per second)'
    if outcome.skipped:
        parts.append(f'{len(outcome.skipped)} skipped (there already)')
    names = ', '.join(str(path) for path in list(outcome.failed)[:_NAMED])
    more = ', ...' if len(outcome.failed) > _NAMED else ''
    parts.append(f'{len(outcome.failed)} failed' + (f': {names}{more}' if outcome.failed else ''))
    return ', '.join(parts)
