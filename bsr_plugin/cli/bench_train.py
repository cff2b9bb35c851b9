"""``bsr bench train``: what BSRModel's switches gain, and whether they cost accuracy."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from bsr_plugin.allocator import keep_freed_memory
from bsr_plugin.bench.engines import ENGINES, KNOWN_NETWORKS, USUAL_NETWORKS
from bsr_plugin.bench.tables import engines, networks
from bsr_plugin.bench.train import ROUNDS, TrainSetting, draw_batches, measure_train
from bsr_plugin.cli.output import table
from bsr_plugin.errors import InputError

#: What ends in minutes: the setting's defaults on two CPU cores, and on a GPU the paper's network and batch.
DEFAULTS: dict[str, dict[str, Any]] = {'cpu': {}, 'cuda': {'batch': 16, 'groups': 10, 'blocks': 12}}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the benchmark's arguments, named as the fields of its setting."""
    parser.add_argument('--device', choices=list(DEFAULTS), help='default: the CPU, and the GPU if there is one')
    parser.add_argument('--lr-window', type=int, dest='window', metavar='PIXELS', help=_default('window', 'LR patch'))
    for name, what in (
        ('scale', 'factor'),
        ('features', 'channels'),
        ('batch', 'patches per batch'),
        ('groups', 'groups of the network'),
        ('blocks', 'blocks in each'),
        ('steps', 'iterations of each engine'),
    ):
        parser.add_argument(f'--{name}', type=int, metavar='N', help=_default(name, what))
    for name, known, usual in (
        ('engines', ENGINES, 'all'),
        ('networks', KNOWN_NETWORKS, ' '.join(USUAL_NETWORKS)),
    ):
        what = f'of {" ".join(known)} (default: {usual})'
        parser.add_argument(f'--{name}', nargs='+', choices=list(known), metavar='NAME', help=what)


def _default(name: str, what: str) -> str:
    on_gpu = f'; {DEFAULTS["cuda"][name]} on a GPU' if name in DEFAULTS['cuda'] else ''
    return f'{what} (default {getattr(TrainSetting, name)}{on_gpu})'


def measure(given: Mapping[str, Any], images: Path, folder: Path) -> tuple[str, dict[str, Any]]:
    """Measures on every device asked for; gives what to print and the figures, those of a second device inside."""
    if given.get('steps', 2 * ROUNDS) < 2 * ROUNDS:
        raise InputError(f'--steps is {given["steps"]}: use at least {2 * ROUNDS}.')
    keep_freed_memory()
    reports: list[str] = []
    content: dict[str, Any] = {}
    for device in _devices(given.get('device')):
        setting = TrainSetting(**DEFAULTS[device] | {**given, 'device': device})
        batches = draw_batches(setting, images, folder / device / 'stores')
        figures = asdict(measure_train(setting, batches, folder / device))
        reports.append(_report(figures))
        content |= {device: figures} if content else figures
    return '\n\n'.join(reports), content


def _devices(named: str | None) -> Sequence[str]:
    if named == 'cuda' and not torch.cuda.is_available():
        raise InputError('--device is cuda, but torch finds no GPU here: leave it out, or use cpu.')
    if named:
        return [named]
    return list(DEFAULTS) if torch.cuda.is_available() else ['cpu']


def _report(figures: Mapping[str, Any]) -> str:
    products = ', '.join(f'{name} {rate:,.0f}' for name, rate in figures['matrix_gmacs_per_s'].items())
    titles, losses = figures['titles'], figures['loss']
    curves = [(titles[name], *(f'{loss:.5f}' for loss in of_engine)) for name, of_engine in losses.items()]
    steps = figures['steps'] // ROUNDS
    of_rounds = (f'training loss, mean of {steps} it', *(f'to {steps * number}' for number in range(1, ROUNDS + 1)))
    limit = f'the limit, a matrix product, GMAC/s: {products}'
    return '\n\n'.join([table(*engines(figures)), limit, table(of_rounds, curves), table(*networks(figures))])
