"""The arguments of optimizer and learning rate schedule that a resumed run goes on with: those of its options."""

from collections.abc import Iterator, Mapping
from copy import copy
from inspect import signature
from types import SimpleNamespace
from typing import Any, NamedTuple

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from bsr_plugin.errors import InputError
from bsr_plugin.models.training_state import plain

#: How an optimizer computes, not what.
_KERNELS = ('fused', 'foreach', 'capturable')
#: What a group holds besides the arguments; the argument ``lr`` is its ``initial_lr``.
_NO_ARGUMENTS = ('params', 'lr', *_KERNELS)
#: Arguments that decide which moments an optimizer keeps: on or off as in the state, which holds these and no others.
_DECIDING_MOMENTS = ('amsgrad', 'centered', 'momentum')
#: Where a schedule is.
_POSITION = ('last_epoch', '_step_count', '_last_lr')


class Resumed(NamedTuple):
    """States for an optimizer and its scheduler to load, and a sentence about what differs, empty if nothing does."""

    optimizer: dict[str, Any]
    scheduler: dict[str, Any]
    changed: str


class _Change(NamedTuple):
    option: str
    before: Any
    now: Any
    used: Any


def resumed(
    optimizer: Optimizer, scheduler: LRScheduler, state: Mapping[str, Any], index: int, train: Mapping[str, Any]
) -> Resumed:
    """The position of a training state with the arguments of the options.

    Where the schedule is as before, the learning rates are the saved ones, to the bit. Otherwise they are those that
    the new schedule has at this iteration.

    Args:
        optimizer: As the options make it.
        scheduler: Its scheduler, likewise.
        state: A training state of this model or of SRModel.
        index: Which optimizer of the state it is.
        train: The section ``train`` of the options.

    Raises:
        InputError: The state holds the moments of an optimizer of another type.
    """
    saved, position = state['optimizers'][index], state['schedulers'][index]
    kind = type(optimizer).__name__
    kind_before = state['optimizer_types'][index] if 'optimizer_types' in state else kind
    if kind_before != kind:
        raise InputError(
            f'train.optim_g.type is {kind}, but the training state has the moments of {kind_before}: set '
            "the type back, or begin a new run from this one's weights with path.pretrain_network_g."
        )
    pairs = [*zip(saved['param_groups'], optimizer.param_groups, strict=True)]
    of_groups = [each for pair in pairs for each in _changes_of_group(*pair)]
    warmup = train.get('warmup_iter', -1)
    of_schedule = [*_changes_of_schedule(scheduler, position)]
    if state.get('warmup_iter', warmup) != warmup:
        of_schedule.append(_Change('train.warmup_iter', state['warmup_iter'], warmup, warmup))
    own_position = {name: position[name] for name in _POSITION if name in position}
    rates = [group['lr'] for group, _ in pairs]
    if of_schedule or any(each.option == 'train.optim_g.lr' for each in of_groups):
        rates = learning_rates(scheduler, min(position['last_epoch'] + 1, train['total_iter']), warmup)
        own_position['_last_lr'] = rates
    changes = [*of_groups, *of_schedule]
    groups = [{**_arguments(*pair), 'lr': rate} for pair, rate in zip(pairs, rates, strict=True)]
    return Resumed(
        {**saved, 'param_groups': groups},
        {**scheduler.state_dict(), **own_position},
        _sentence([each for index, each in enumerate(changes) if each not in changes[:index]]),
    )


def learning_rates(scheduler: LRScheduler, iteration: int, warmup: int) -> list[float]:
    """The learning rate of each group at an iteration, counted from 1, of a run that had this schedule all along.

    It goes through all iterations, as some schedules only say how to come from one to the next: a few seconds for
    a million of them.

    Args:
        scheduler: One of the toolbox's schedulers, which is left as it is.
        iteration: The iteration.
        warmup: ``train.warmup_iter``.
    """
    groups = [{'lr': float(base), 'initial_lr': float(base)} for base in scheduler.base_lrs]
    replay: Any = copy(scheduler)
    replay.optimizer = SimpleNamespace(param_groups=groups)
    for each in range(1, iteration + 1):
        replay.last_epoch = each - 1
        rates = replay.get_lr()
        for group, rate in zip(groups, rates, strict=True):
            group['lr'] = group['initial_lr'] / warmup * each if each < warmup else rate
    return [group['lr'] for group in groups]


def _arguments(saved: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter group with the saved numbers of its parameters and the arguments of the options."""
    used = {name: _used(name, saved[name], value) for name, value in own.items() if name in saved}
    return {**own, **used, 'params': saved['params']}


def _used(name: str, saved: Any, own: Any) -> Any:
    return saved if name in _DECIDING_MOMENTS and bool(saved) != bool(own) else own


def _changes_of_group(saved: Mapping[str, Any], own: Mapping[str, Any]) -> Iterator[_Change]:
    for name in [name for name in own if name in saved and name not in _NO_ARGUMENTS]:
        before, now = _comparable(saved[name]), _comparable(own[name])
        if before != now:
            option = f'train.optim_g.{"lr" if name == "initial_lr" else name}'
            yield _Change(option, before, now, _used(name, before, now))


def _changes_of_schedule(scheduler: LRScheduler, saved: Mapping[str, Any]) -> Iterator[_Change]:
    names = [name for name in signature(type(scheduler)).parameters if name not in ('optimizer', 'last_epoch')]
    if any(name not in saved for name in names):
        kind = type(scheduler).__name__
        yield _Change('train.scheduler.type', 'another', kind, kind)
        return
    for name in names:
        before, now = _comparable(saved[name]), _comparable(getattr(scheduler, name))
        if before != now:
            yield _Change(f'train.scheduler.{name}', before, now, now)


def _comparable(value: Any) -> Any:
    """The value as an option file gives it: no tuples, and for a count of milestones the milestones."""
    value = plain(value)
    if isinstance(value, Mapping):
        return sorted(key for key, number in value.items() for _ in range(number))
    return [*value] if isinstance(value, tuple) else value


def _sentence(changes: list[_Change]) -> str:
    if not changes:
        return ''
    listing = ', '.join(f'{each.option} is {each.now} and was {each.before}' for each in changes)
    used = {each.option: each.used for each in changes if each.used != each.now}
    kept = ''.join(f', but with {option} {value}, as the saved moments need it' for option, value in used.items())
    new = changes[0].now if len(changes) == 1 and not used else 'the values of the options'
    return f'{listing} in the training state: continuing with {new}{kept}.'
