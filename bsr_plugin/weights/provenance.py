"""Where weights come from: the recipe, the training set and the scores that :class:`WeightsMetadata` names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import torch

from bsr_plugin.archs.bsr_arch import BSRNet
from bsr_plugin.data.degradation import Degradation
from bsr_plugin.data.store import open_store
from bsr_plugin.errors import InputError
from bsr_plugin.evaluation.results import Kind, RunResult, SetResult, read_results
from bsr_plugin.models.load_network import load_bsrnet
from bsr_plugin.options.loader import read_options
from bsr_plugin.weights.about import Recipe, Score, TrainingSet


def recipe_of(option_file: Path) -> Recipe:
    """The option file of a training, as it is.

    Raises:
        InputError: It cannot be read.
    """
    try:
        return Recipe(option_file.name, option_file.read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f'{option_file} cannot be read ({error}).') from error


def training_set_of(option_file: Path) -> TrainingSet:
    """The HR images that an option file trains on, which have to be there.

    Raises:
        InputError: The file has no training set, or the store is not there.
    """
    options = read_options(option_file)
    try:
        section = options['datasets']['train']
        root, backend = section['dataroot_gt'], section['io_backend']['type']
    except (KeyError, TypeError) as error:
        raise InputError(f'{option_file} has no training set: give the option file of the training.') from error
    store = open_store(root, backend)
    return TrainingSet(str(section.get('name', Path(root).name)), len(store.names), store.digest)


def scores_of(results: Path, network: BSRNet) -> tuple[dict[str, dict[str, Score]], Degradation]:
    """What a test run measured with these weights, and how its LR images were made.

    Raises:
        InputError: There are no results, or they are of other weights.
    """
    run = read_results(results)
    _check_weights(results, run, network)
    degradations = {part.degradation for part in run.sets}
    if len(degradations) != 1:
        raise InputError(f'{results} has sets of {len(degradations)} degradations: test one of them at a time.')
    return {part.name: _scores(run, part) for part in run.sets}, degradations.pop()


def _scores(run: RunResult, part: SetResult) -> dict[str, Score]:
    kinds: Mapping[Kind, str | None] = {kind: run.metric_named(kind) for kind in get_args(Kind)}
    return {
        kind: Score(round(part.mean[name], 4), {image.name: round(image.values[name], 4) for image in part.images})
        for kind, name in kinds.items()
        if name is not None and name in part.mean
    }


def _check_weights(results: Path, run: RunResult, network: BSRNet) -> None:
    """Raises ``InputError`` if a run tested other weights, wherever they are now."""
    if run.weights is None:
        raise InputError(f'{results} tested random weights: set path.pretrain_network_g, and test again.')
    tested = load_bsrnet(Path(run.weights), run.param_key, _constants(run.network))
    ours, theirs = network.state_dict(), tested.state_dict()
    if ours.keys() != theirs.keys() or not all(torch.equal(value, theirs[name]) for name, value in ours.items()):
        raise InputError(f'{results} tested {run.weights}, which are other weights: test these, and give its results.')


def _constants(network: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in network.items() if name in ('img_range', 'rgb_mean')}
