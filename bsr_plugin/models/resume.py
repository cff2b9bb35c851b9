"""Which training state a run goes on from."""

from pathlib import Path
from typing import Any, NamedTuple

from bsr_plugin.errors import InputError
from bsr_plugin.models.checkpoint import check_file, read, states_in
from bsr_plugin.models.training_state import missing_keys


class Found(NamedTuple):
    """The state to go on from, and one sentence for each newer one that cannot be read."""

    path: Path
    state: dict[str, Any]
    skipped: list[str]


def read_state(path: Path, models: Path) -> dict[str, Any]:
    """Loads a training state whose weights are there and undamaged.

    Args:
        path: The state.
        models: Folder of the weights.

    Raises:
        InputError: The state or its weights are missing, damaged or refused.
    """
    state = read(path)
    missing = missing_keys(state)
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


def newest_readable(states: Path, models: Path) -> Found | None:
    """Finds the newest state of an experiment that can be gone on from.

    Returns:
        ``None`` if there are no states at all.

    Raises:
        InputError: There are states, but none can be read. To start over must be somebody's decision.
    """
    paths = list(states_in(states).values()) if states.is_dir() else []
    skipped: list[str] = []
    for path in paths:
        state, reason = _state_or_reason(path, models)
        if state is not None:
            return Found(path, state, skipped)
        skipped.append(f'{path.name} skipped: {reason}')
    if not paths:
        return None
    raise InputError(
        f'no training state in {states} can be read ({"; ".join(skipped)}): start without --auto_resume to begin anew'
    )


def _state_or_reason(path: Path, models: Path) -> tuple[dict[str, Any] | None, str]:
    try:
        return read_state(path, models), ''
    except InputError as error:
        return None, str(error)
