"""Which training state a run resumes from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bsr_plugin.errors import InputError
from bsr_plugin.models.checkpoint import check_file, read, states_in

#: The entries that every training state has, SRModel's too.
_NEEDED = ('epoch', 'iter', 'optimizers', 'schedulers')


class Found(NamedTuple):
    """The state to resume from, and one sentence for each newer one that cannot be read."""

    path: Path
    state: dict[str, Any]
    skipped: list[str]


def read_state(path: Path, models: Path) -> dict[str, Any]:
    """Loads a training state whose weights, in the folder ``models``, are there and undamaged.

    Raises:
        InputError: The state or its weights are missing, damaged or refused.
    """
    state = read(path)
    missing = [key for key in _NEEDED if not isinstance(state, Mapping) or key not in state]
    if missing:
        raise InputError(f'{path} is not a training state: it has no {", ".join(missing)}')
    run, name = path.resolve().parent.parent, f'net_g_{state["iter"]}.pth'
    try:
        for file, expected in state.get('weights', {}).items():
            check_file(models / file, expected)
        if 'weights' not in state:
            # SRModel's states do not say what belongs to them: what lies in the same experiment does.
            read(models / name)
    except InputError as error:
        if run == models.resolve().parent:
            raise
        raise InputError(
            f'{path} is a state of another run: set name to {run.name} to continue that run, or '
            f'path.pretrain_network_g to {run / "models" / name} to start this one from its weights'
        ) from error
    return state


def missing_validations(opt: Mapping[str, Any], state: Mapping[str, Any]) -> list[str]:
    """Names of the validation sets that a run did not come to the end of, at the iteration that it resumes from.

    A validation follows the checkpoint of its iteration: a run that was ended in between resumes after it.

    Args:
        opt: Options of the training.
        state: A training state. One that does not say what was validated, such as SRModel's, misses nothing.
    """
    if 'validated' not in state or not opt.get('val') or state['iter'] % opt['val']['val_freq']:
        return []
    sets = [each['name'] for phase, each in opt['datasets'].items() if phase.split('_')[0] == 'val']
    return [name for name in sets if name not in state['validated']]


def newest_readable(states: Path, models: Path) -> Found | None:
    """Finds the newest state of an experiment that can be resumed; ``None`` if there are no states at all.

    Raises:
        InputError: There are states, but none can be read. To start over must be somebody's decision.
    """
    skipped: list[str] = []
    for path in states_in(states).values() if states.is_dir() else ():
        try:
            return Found(path, read_state(path, models), skipped)
        except InputError as error:  # noqa: PERF203
            skipped.append(f'{path.name} skipped: {error}')
    if not skipped:
        return None
    raise InputError(
        f'no training state in {states} can be read ({"; ".join(skipped)}): start without --auto_resume to begin anew'
    )
