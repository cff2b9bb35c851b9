"""The training run behind tested weights: its options and its log, as BasicSR's folders lay them out."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bsr_plugin.errors import InputError
from bsr_plugin.evaluation.results import RunResult
from bsr_plugin.options.forced import force, recorded
from bsr_plugin.options.loader import read_options
from bsr_plugin.report.tables import BASELINE


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
    """What a training run with these options leaves out of BSR, in the words of table 4; ``None``: another network."""
    if options.get('network_g', {}).get('type', 'BSRNet') != 'BSRNet':
        return None
    train_set = options.get('datasets', {}).get('train', {})
    loss = options.get('train', {}).get('pixel_opt') or {}
    left_out = []
    if train_set.get('type') != 'RFSPairedImageDataset' or train_set.get('sampling', 'rfs') == 'uniform':
        left_out.append('w/o RFS')
    if options.get('network_g', {}).get('skip_connections') is False:
        left_out.append('w/o SC')
    if loss.get('type') == 'HybridL1L2LpLoss':
        # A weight that is left out has its default, which is above 0.
        terms = '+'.join(term for term in ('L2', 'L1', 'Lp') if float(loss.get(f'{term.lower()}_weight', 1)) > 0)
    else:
        terms = str(loss.get('type'))
    if terms != 'L2+L1+Lp':
        left_out.append(terms)
    return f'BSR {", ".join(left_out)}' if left_out else BASELINE
