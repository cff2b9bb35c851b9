"""Equal seconds: every run gets the iterations that fit a budget of seconds, at the rate measured for its variant.

What is counted in iterations keeps its share of the training: the periods, milestones and restarts of the scheduler,
the warm-up of the learning rate, and the stretch over which ``pic_balance`` is annealed. A validation falls on every
quarter of the budget. The seconds are those of training iterations; validations and checkpoints are not counted.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from bsr_plugin.errors import InputError
from bsr_plugin.study.planning import Cell, Options, Plan

QUARTERS = 4


def within_budget(plan: Plan, rates: Mapping[str, float]) -> Plan:
    """A plan whose runs have the iterations that fit its seconds.

    Args:
        plan: A plan with ``seconds``.
        rates: Variant -> iterations per second.

    Raises:
        InputError: A variant does not get an iteration for each quarter of the seconds.
    """
    if plan.seconds is None:
        return plan
    iterations = {variant: iterations_within(plan.seconds, rates[variant]) for variant in plan.variants}
    for variant, count in iterations.items():
        if not count:
            raise InputError(
                f'variant {variant} makes {rates[variant]:.3g} iterations per second: seconds {plan.seconds:g} are '
                f'less than {QUARTERS} of them.'
            )
    cells = tuple(_with_iterations(cell, iterations[cell.variant]) for cell in plan.cells)
    return replace(plan, cells=cells, rates=dict(rates))


def iterations_within(seconds: float, rate: float) -> int:
    """The largest multiple of four that fits."""
    return QUARTERS * math.floor(seconds * rate / QUARTERS)


def _with_iterations(cell: Cell, iterations: int) -> Cell:
    train = stretched(cell.train, iterations)
    return replace(cell, train={**train, 'val': {**train['val'], 'val_freq': iterations // QUARTERS}})


def stretched(options: Options, iterations: int) -> Options:
    """Training options with another ``total_iter``, of which everything keeps its share.

    Args:
        options: Checked options of a training; they are left as they are.
        iterations: The new ``total_iter``.
    """
    train = options['train']
    share = iterations / int(train['total_iter'])
    own = {**train, 'total_iter': iterations, 'scheduler': _scheduler(train['scheduler'], share)}
    if int(train.get('warmup_iter', -1)) > 0:
        own['warmup_iter'] = round(int(train['warmup_iter']) * share)
    datasets = {**options['datasets'], 'train': _annealing(options['datasets']['train'], share)}
    return {**options, 'datasets': datasets, 'train': own}


def _scheduler(scheduler: Options, share: float) -> Options:
    own = dict(scheduler)
    for key in ('milestones', 'restarts'):
        if key in own:
            own[key] = [round(iteration * share) for iteration in own[key]]
    if 'periods' in own:
        own['periods'] = _periods(own['periods'], share)
    return own


def _periods(periods: Sequence[int], share: float) -> list[int]:
    """Their ends are stretched, so that no rounding adds up and the last one still reaches ``total_iter``."""
    ends = [round(sum(periods[:count]) * share) for count in range(len(periods) + 1)]
    return [max(1, end - begin) for begin, end in pairwise(ends)]


def _annealing(dataset: Options, share: float) -> Options:
    balance = dataset.get('pic_balance')
    if not isinstance(balance, Mapping):
        return dict(dataset)
    begin, end = (round(iteration * share) for iteration in balance['between'])
    return {**dataset, 'pic_balance': {**balance, 'between': [begin, max(begin + 1, end)]}}
