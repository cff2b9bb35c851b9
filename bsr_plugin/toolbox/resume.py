"""``--auto_resume`` and ``path.resume_state``: which state a run resumes from, the same on all ranks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from basicsr.utils import check_resume, set_random_seed
from basicsr.utils.dist_util import get_dist_info

from bsr_plugin.models.ranks import ranks
from bsr_plugin.models.resume import Found, newest_readable, read_state
from bsr_plugin.toolbox.opening import on_all_ranks


def load_resume_state(opt: dict[str, Any]) -> dict[str, Any] | None:
    """Takes the place of the function of that name in ``basicsr.train``, with its effects on ``opt['path']``.

    With ``--auto_resume`` it takes the newest readable state of the experiment, wherever the program was started and
    with or without a GPU, else the state that ``path.resume_state`` names. Rank 0 chooses for all ranks, a random seed
    as well: it is the one that states keep.

    Returns:
        The state, or ``None`` to start from the beginning. Its entry ``skipped`` lists the newer states that cannot be
        read.

    Raises:
        InputError: The named state cannot be read, or none of the experiment's.
    """
    _take_seed_of_rank_0(opt)
    models = Path(opt['path']['models'])
    if opt['auto_resume']:
        found = _same_on_all_ranks(Path(opt['path']['training_states']), models)
        if found is None:
            return None
        opt['path']['resume_state'] = str(found.path)
    elif opt['path'].get('resume_state'):
        path = Path(opt['path']['resume_state'])
        found = Found(path, read_state(path, models), [])
    else:
        return None
    for sentence in found.skipped:
        # The log file is not open yet; BSRModel writes these lines there as well.
        print(sentence, flush=True)
    given = {**opt['path']}
    check_resume(opt, found.state['iter'])
    _take_saved_entries(opt, given)
    _go_on_with_seed(opt, found.state.get('manual_seed'))
    return {**found.state, 'skipped': found.skipped}


def _take_saved_entries(opt: dict[str, Any], given: Mapping[str, Any]) -> None:
    """The entry of the weights that the run began with says nothing about those that it saved.

    Args:
        opt: The options, in which the toolbox asks for other weights than the option file and changes the entry.
        given: Section ``path`` of the option file.
    """
    others = given.get('ignore_resume_networks') or ()
    for name in [name for name in opt if name.startswith('network_')]:
        key = name.replace('network', 'param_key', 1)
        opt['path'][key] = given.get(key, 'params') if name in others else 'params'


def _go_on_with_seed(opt: dict[str, Any], seed: int | None) -> None:
    """A run without ``manual_seed`` gets a new random one each time it is started, and with it other batches."""
    if seed is not None and seed != opt['manual_seed']:
        print(f'manual_seed is {seed}, as in the training state, not {opt["manual_seed"]}.', flush=True)
        _seed(opt, seed)


def _take_seed_of_rank_0(opt: dict[str, Any]) -> None:
    """Without ``manual_seed`` each rank has drawn one of its own."""
    seed = ranks().all_gather(opt['manual_seed'])[0]
    if seed != opt['manual_seed']:
        _seed(opt, seed)


def _seed(opt: dict[str, Any], seed: int) -> None:
    opt['manual_seed'] = seed
    set_random_seed(seed + opt['rank'])


def _same_on_all_ranks(states: Path, models: Path) -> Found | None:
    """Rank 0 looks; the others read what it chose, and fail with it if it found nothing readable."""
    rank, num_ranks = get_dist_info()
    found = on_all_ranks(lambda: newest_readable(states, models) if rank == 0 else None)
    if num_ranks == 1:
        return found
    choice = ranks().all_gather(found and (found.path, found.skipped))[0]
    if rank == 0 or choice is None:
        return found
    path, skipped = choice
    return Found(path, read_state(path, models), skipped)
