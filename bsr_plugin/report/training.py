"""The training run behind tested weights: its options and its log, as BasicSR's folders lay them out."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bsr_plugin.errors import InputError
from bsr_plugin.evaluation.results import RunResult
from bsr_plugin.options.loader import read_options
from bsr_plugin.report.tables import BASELINE


@dataclass(frozen=True)
class Training:
    """A training run.

    Attributes:
        name: Its name.
        options: Its options as the file gives them; ``None`` if the copy in its folder cannot be read.
        log: Its TensorBoard log; ``None`` if there is none.
    """

    name: str
    options: dict[str, Any] | None
    log: Path | None


def training_of(run: RunResult) -> Training | None:
    """Finds a run's folder from the path of the tested weights, such as ``experiments/<name>/models/*.pth``.

    Returns:
        What is there; ``None`` for a network without weights, or with weights from elsewhere.
    """
    if run.weights is None:
        return None
    models = Path(run.weights).parent
    experiment = models.parent
    if models.name != 'models' or not any(experiment.glob('*.yml')):
        return None
    log = experiment.parent.parent / 'tb_logger' / experiment.name
    return Training(experiment.name, _options(experiment), log if any(log.glob('*tfevents*')) else None)


def _options(experiment: Path) -> dict[str, Any] | None:
    files = sorted(experiment.glob('*.yml'), key=lambda file: file.stat().st_mtime)
    try:
        return read_options(files[-1])
    except InputError:
        return None


def variant(options: Mapping[str, Any]) -> str:
    """What a training run leaves out of BSR, in the words of table 4.

    Args:
        options: The options of the training run.
    """
    train_set = options.get('datasets', {}).get('train', {})
    loss = options.get('train', {}).get('pixel_opt') or {}
    left_out = []
    if train_set.get('type') != 'RFSPairedImageDataset' or train_set.get('sampling', 'rfs') == 'uniform':
        left_out.append('w/o RFS')
    if options.get('network_g', {}).get('skip_connections') is False:
        left_out.append('w/o SC')
    terms = _loss_terms(loss)
    if terms != 'L2+L1+Lp':
        left_out.append(terms)
    return f'BSR {", ".join(left_out)}' if left_out else BASELINE


def _loss_terms(loss: Mapping[str, Any]) -> str:
    if loss.get('type') != 'HybridL1L2LpLoss':
        return str(loss.get('type'))
    names = {'L2': 'l2_weight', 'L1': 'l1_weight', 'Lp': 'lp_weight'}
    # A weight that is left out has its default, which is above 0.
    return '+'.join(name for name, key in names.items() if float(loss.get(key, 1)) > 0)
