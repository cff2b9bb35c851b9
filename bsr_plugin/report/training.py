"""The training run behind tested weights: its options and its log, as BasicSR's folders lay them out."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bsr_plugin.errors import InputError
from bsr_plugin.evaluation.results import RunResult
from bsr_plugin.options.forced import force, recorded
from bsr_plugin.options.loader import read_options
from bsr_plugin.report.tables import BASELINE

#: The samplings with the distribution of the paper's loop, and the options of theirs that change it.
_RFS = ('rfs', 'rejection')
_USUAL: Mapping[str, Any] = {'pic_balance': 1, 'image_choice': 'share', 'pic_score': 'gradient'}


@dataclass(frozen=True)
class Training:
    """A training run, with the options in its folder if they can be read, and its TensorBoard log if there is one."""

    name: str
    options: dict[str, Any] | None
    log: Path | None


def training_of(run: RunResult) -> Training | None:
    """Finds a run from the path of the tested weights, ``experiments/<name>/models/*.pth``; ``None`` for others."""
    if run.weights is None:
        return None
    models = Path(run.weights).parent
    experiment = models.parent
    if models.name != 'models' or not any(experiment.glob('*.yml')):
        return None
    log = experiment.parent.parent / 'tb_logger' / experiment.name
    options = None
    with suppress(InputError):
        options = _options(max(experiment.glob('*.yml'), key=lambda file: file.stat().st_mtime))
    return Training(experiment.name, options, log if any(log.glob('*tfevents*')) else None)


def _options(file: Path) -> dict[str, Any]:
    """The options that the run was begun with: those of the file, and what its command line changed."""
    options, _ = force(read_options(file), recorded(file.read_text(encoding='utf-8')))
    return options


def variant(options: Mapping[str, Any]) -> str | None:
    """How a training run with these options differs from BSR, in the words of table 4; ``None``: another network."""
    network = options.get('network_g', {})
    if network.get('type', 'BSRNet') != 'BSRNet':
        return None
    changes = [*_of_sampling(options.get('datasets', {}).get('train', {}))]
    if network.get('skip_connections') is False:
        changes.append('w/o SC')
    if network.get('attention', 'spatial') != 'spatial':
        changes.append(f'attention {network["attention"]}')
    if (terms := _terms(options.get('train', {}).get('pixel_opt') or {})) != 'L2+L1+Lp':
        changes.append(terms)
    return f'BSR {", ".join(changes)}' if changes else BASELINE


def _of_sampling(train_set: Mapping[str, Any]) -> Iterator[str]:
    """How patches are drawn, where it is not by random filter sampling as the paper has it."""
    sampling = train_set.get('sampling', 'rfs')
    is_uniform = sampling == 'uniform' or (sampling in _RFS and train_set.get('pic_balance') == 0)
    if train_set.get('type') != 'RFSPairedImageDataset' or is_uniform:
        yield 'w/o RFS'
        return
    if sampling not in _RFS:
        yield str(sampling)
        return
    for key, usual in _USUAL.items():
        if (value := train_set.get(key, usual)) != usual:
            yield f'{key} {"annealed" if isinstance(value, Mapping) else value}'


def _terms(loss: Mapping[str, Any]) -> str:
    """The terms of a loss."""
    if loss.get('type') != 'HybridL1L2LpLoss':
        return str(loss.get('type'))
    # A weight that is left out has its default, which is above 0.
    return '+'.join(term for term in ('L2', 'L1', 'Lp') if float(loss.get(f'{term.lower()}_weight', 1)) > 0)
