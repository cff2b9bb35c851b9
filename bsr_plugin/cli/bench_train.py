"""``bsr bench train``: what BSRModel's switches gain, and whether they cost accuracy."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bsr_plugin.bench.engines import ENGINES, KNOWN_NETWORKS
from bsr_plugin.cli.output import table
from bsr_plugin.errors import InputError

if TYPE_CHECKING:
    from bsr_plugin.bench.train import TrainFigures, TrainSetting

#: Batch, groups and blocks that end in minutes: on two CPU cores, and the paper's on a GPU.
DEFAULTS = {'cpu': (4, 2, 2), 'cuda': (16, 10, 12)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the benchmark's arguments."""
    parser.add_argument('--device', choices=('cpu', 'cuda'), help='default: the CPU, and the GPU if there is one')
    parser.add_argument('--scale', type=int, default=4, help='factor (default 4)')
    parser.add_argument('--lr-window', type=int, default=48, metavar='PIXELS', help='LR patch (default 48)')
    parser.add_argument('--features', type=int, default=64, metavar='N', help='channels (default 64)')
    parser.add_argument('--batch', type=int, metavar='N', help='patches per batch (default 4; 16 on a GPU)')
    parser.add_argument('--groups', type=int, metavar='N', help='groups of the network (default 2; 10 on a GPU)')
    parser.add_argument('--blocks', type=int, metavar='N', help='blocks in each (default 2; 12 on a GPU)')
    parser.add_argument('--steps', type=int, default=200, metavar='N', help='iterations of each engine (default 200)')
    _add_choice(parser, '--engines', ENGINES)
    _add_choice(parser, '--networks', KNOWN_NETWORKS)


def _add_choice(parser: argparse.ArgumentParser, name: str, known: Mapping[str, object]) -> None:
    listing = f'default: {" ".join(known)}'
    parser.add_argument(name, nargs='+', choices=list(known), default=list(known), metavar='NAME', help=listing)


def measure(arguments: argparse.Namespace, images: Path, folder: Path) -> tuple[str, dict[str, Any]]:
    """Measures on every device asked for; gives what to print and the figures, those of a second device inside."""
    from bsr_plugin.bench.train import draw_batches, measure_train

    reports: list[str] = []
    content: dict[str, Any] = {}
    for setting in [_setting(arguments, device) for device in _devices(arguments.device)]:
        work = folder / setting.device
        figures = measure_train(setting, draw_batches(setting, images, work / 'stores'), work)
        reports.append(_report(setting, figures))
        content |= {figures.device: asdict(figures)} if content else asdict(figures)
    return '\n\n'.join(reports), content


def _devices(named: str | None) -> Sequence[str]:
    import torch

    if named == 'cuda' and not torch.cuda.is_available():
        raise InputError('--device is cuda, but torch finds no GPU here: leave it out, or use cpu.')
    if named:
        return [named]
    return ['cpu', 'cuda'] if torch.cuda.is_available() else ['cpu']


def _setting(arguments: argparse.Namespace, device: str) -> 'TrainSetting':
    from bsr_plugin.bench.train import ROUNDS, TrainSetting

    if arguments.steps < 2 * ROUNDS:
        raise InputError(f'--steps is {arguments.steps}: use at least {2 * ROUNDS}.')
    batch, groups, blocks = DEFAULTS[device]
    engines = tuple(dict.fromkeys(['stock', 'float32', *arguments.engines]))
    setting = TrainSetting(device, batch=batch, groups=groups, blocks=blocks, engines=engines)
    setting = replace(
        setting,
        networks=tuple(arguments.networks),
        scale=arguments.scale,
        window=arguments.lr_window,
        features=arguments.features,
    )
    given = {name: getattr(arguments, name) for name in ('batch', 'groups', 'blocks', 'steps')}
    return replace(setting, **{name: value for name, value in given.items() if value is not None})


def _report(setting: 'TrainSetting', figures: 'TrainFigures') -> str:
    rows = []
    for name, engine in setting.chosen().items():
        rate = figures.iterations_per_s[name]
        float32, bf16 = figures.matrix_gmacs_per_s.values()
        matrix = bf16 if engine.train.get('amp') else float32
        rows.append(
            (
                engine.title,
                f'{rate:.2f}',
                f'{figures.times_stock[name]:.2f}',
                f'{figures.final_loss[name]:.5f}',
                f'{figures.loss_difference[name]:+.2%}',
                f'{figures.peak_memory_mb[name]:,.0f}',
                f'{rate * figures.gmacs_per_iteration:,.0f}',
                f'{rate * figures.gmacs_per_iteration / matrix:.0%}',
            )
        )
    title = (
        f'{setting.device}: BSRNet {setting.groups} x {setting.blocks}, {setting.features} channels, x{setting.scale}, '
        f'LR {setting.window}, batch {setting.batch}'
    )
    header = (title, 'it/s', 'x stock', f'loss after {setting.steps}', 'to float32', 'MB', 'GMAC/s', 'of matrix')
    curves = [
        (engine.title, *(f'{loss:.5f}' for loss in figures.loss[name])) for name, engine in setting.chosen().items()
    ]
    rounds = next(iter(figures.loss.values()))
    steps = setting.steps // len(rounds)
    of_rounds = (f'training loss, mean of {steps} it', *(f'to {steps * (at + 1)}' for at in range(len(rounds))))
    products = [f'{name} {rate:,.0f}' for name, rate in figures.matrix_gmacs_per_s.items()]
    return '\n\n'.join(
        [
            table(header, rows),
            f'matrix product, GMAC/s: {", ".join(products)}',
            table(of_rounds, curves),
            _known_networks(figures),
        ]
    )


def _known_networks(figures: 'TrainFigures') -> str:
    rows = []
    for name, row in figures.networks.items():
        gmacs, stock, bsr = (row[key] for key in ('gmacs_per_iteration', 'stock', 'bsr'))
        rows.append((name, f'{gmacs:,.0f}', f'{stock:.3f}', f'{bsr:.3f}', f'{bsr / stock:.2f}', f'{bsr * gmacs:,.0f}'))
    return table(("BasicSR's networks", 'GMAC/it', 'SRModel it/s', 'BSRModel it/s', 'x', 'GMAC/s'), rows)
