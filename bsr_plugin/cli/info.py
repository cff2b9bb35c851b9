"""``bsr info``: versions, machine, and what of the engine is fast here; what a bug report needs."""

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bsr_plugin.cli.arguments import add_json
from bsr_plugin.cli.output import EXIT_DONE, table, write_json

if TYPE_CHECKING:
    from bsr_plugin.bench.fast_here import FastHere

EXAMPLE = 'bsr info --json info.json'

#: Cores held by others that make the figures doubtful.
_TOLERATED = 0.25


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument('--no-measuring', action='store_true', help='only versions and machine, at once')
    parser.add_argument('--compile', action='store_true', help='measure torch.compile, too, which takes minutes')
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Prints versions, machine, seconds of an iteration by engine, and the lines for the section ``train``."""
    from bsr_plugin.bench.hardware import hardware, versions
    from bsr_plugin.bench.machine import describe

    found: dict[str, Any] = {'versions': versions(), 'hardware': hardware(Path.cwd()), 'machine': describe()}
    drivers = {name: found['machine'][name] for name in ('driver', 'CUDA', 'cuDNN') if name in found['machine']}
    print(_lines({**found['versions'], **drivers}))
    print(_hardware(found['hardware']))
    if not arguments.no_measuring:
        found |= {'fast_here': _measured(arguments.compile)}
    write_json(arguments.json, found)
    return EXIT_DONE


def _measured(compile_too: bool) -> list[dict[str, Any]]:
    import torch

    from bsr_plugin.bench.fast_here import measure_fast_here
    from bsr_plugin.bench.machine import Load

    measured, before = [], Load.now()
    for device in ['cpu', *(['cuda'] if torch.cuda.is_available() else [])]:
        with tempfile.TemporaryDirectory(prefix='bsr-info-') as folder:
            measured.append(measure_fast_here(device, Path(folder), compile_too))
        print(f'\n{_fast_here(measured[-1])}')
    others = before.others_until(Load.now())
    if others > _TOLERATED:
        sentence = f'other processes held {others:.1f} cores meanwhile, from which the figures suffer.'
        print(f'bsr info: {sentence}', file=sys.stderr)
    return [asdict(each) for each in measured]


def _lines(found: Mapping[str, str]) -> str:
    return '\n'.join(f'{name:14} {text}' for name, text in found.items())


def _hardware(found: Mapping[str, Any]) -> str:
    words = {True: 'yes', False: 'no', None: 'unknown'}
    features = ', '.join(f'{name} {words[has]}' for name, has in found['features'].items())
    lines = {
        'processor': found['processor'],
        'features': features,
        'cores': f'{found["cores"]} for this process, {found["threads"]} threads of torch',
        'memory': f'{_size(found["memory_free"])} free of {_size(found["memory"])}',
        'disk': f'{_size(found["disk_free"])} free here',
        'GPU': 'none' if not found['gpus'] else _gpus(found['gpus']),
    }
    return _lines(lines)


def _gpus(gpus: Sequence[Mapping[str, Any]]) -> str:
    return '; '.join(f'{each["name"]}, {_size(each["memory_free"])} free of {_size(each["memory"])}' for each in gpus)


def _size(count: int | None) -> str:
    return 'unknown' if count is None else f'{count / 1e9:.1f} GB'


def _fast_here(measured: 'FastHere') -> str:
    from bsr_plugin.bench.engines import engines_on

    float32 = measured.seconds['float32']
    engines = engines_on(measured.device)
    rows = [
        (engines[name].title.strip(), f'{1000 * seconds:.0f}', f'{float32 / seconds:.2f}')
        for name, seconds in measured.seconds.items()
    ]
    settings = {'amp': '~', 'channels_last': 'false', 'fused': 'false'}
    settings |= {key: str(value).lower() for key, value in measured.train.items()}
    lines = 'train:\n' + '\n'.join(f'  {key}: {value}' for key, value in settings.items())
    if measured.uint8:
        lines = f'datasets:\n  train:\n    uint8: true\n\n{lines}'
    return '\n\n'.join(
        [
            table((f'on the {"GPU" if measured.device == "cuda" else "CPU"}', 'ms/it', 'x float32'), rows),
            f'One core draws {measured.patches_per_s:,.0f} patches/s from an LMDB store.',
            f'For option files:\n\n{lines}',
        ]
    )
