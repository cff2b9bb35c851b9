"""Replaces names of the toolbox, by one rule; the table is in ``__init__.py``."""

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import torch

from bsr_plugin.toolbox import on_cpu
from bsr_plugin.toolbox.archive import mkdir_and_rename
from bsr_plugin.toolbox.evaluation_program import EvaluationProgram
from bsr_plugin.toolbox.opening import Program
from bsr_plugin.toolbox.prefetch import CPUPrefetcher, CUDAPrefetcher
from bsr_plugin.toolbox.sampler import ResumableSampler
from bsr_plugin.toolbox.training_program import TrainingProgram

_STOCK = 'replaced_by_bsr_plugin'
_PROGRAM = 'opened_by_bsr_plugin'

_OF_TRAINING = {
    'EnlargedSampler': ResumableSampler,
    'CPUPrefetcher': CPUPrefetcher,
    'CUDAPrefetcher': CUDAPrefetcher,
    'mkdir_and_rename': mkdir_and_rename,
}

Opened = TypeVar('Opened', bound=Program)


def replace(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Binds ``owner.name`` to ``make(stock)``, where ``stock`` is what the toolbox had there.

    The one rule of idempotence: what the toolbox had is kept beside the replacement, and a name that has been
    replaced is left as it is.
    """
    stock = vars(owner).get(_STOCK, {})
    if name not in stock:
        made = make(getattr(owner, name))
        setattr(owner, _STOCK, {**stock, name: getattr(owner, name)})
        setattr(owner, name, made)


def replace_in_toolbox() -> None:
    """Replaces everything in the table; called when the toolbox has been imported, and harmless to repeat."""
    from basicsr.models.base_model import BaseModel
    from basicsr.utils import dist_util, misc

    import basicsr.test
    import basicsr.train

    # The running program may be a copy of one of them.
    for module in (basicsr.train, basicsr.test, sys.modules['__main__']):
        if 'parse_options' in vars(module):
            if callable(vars(module).get('train_pipeline')):
                replace_in_training_program(module)
            if callable(vars(module).get('test_pipeline')):
                replace_in_test_program(module)
    replace(BaseModel, 'model_to_device', on_cpu.model_to_device)
    replace(misc, 'mkdir_and_rename', _always(mkdir_and_rename))
    # Unlike torch.cuda.is_available, this leaves processes that are forked later free to use the GPUs.
    if not torch.cuda.device_count():
        replace(dist_util, 'torch', _always(on_cpu.ONE_DEVICE))
        replace(dist_util, '_init_dist_pytorch', on_cpu.over_gloo)
        replace(dist_util, '_init_dist_slurm', on_cpu.over_gloo)


def replace_in_training_program(module: Any) -> TrainingProgram:
    """Replaces what ``train_pipeline`` of a program looks up by name."""
    for name, replacement in _OF_TRAINING.items():
        replace(module, name, _always(replacement))
    return _replaced_by_methods(module, TrainingProgram)


def replace_in_test_program(module: Any) -> EvaluationProgram:
    """Replaces what ``test_pipeline`` of a program looks up by name."""
    return _replaced_by_methods(module, EvaluationProgram)


def _replaced_by_methods(module: Any, kind: type[Opened]) -> Opened:
    """Replaces names by methods of one object, which is made before they are, from what the toolbox had."""
    if not hasattr(module, _PROGRAM):
        setattr(module, _PROGRAM, kind(module))
    program: Opened = getattr(module, _PROGRAM)
    for name in kind.replaced:
        replace(module, name, _always(getattr(program, name)))
    return program


def _always(replacement: Any) -> Callable[[Any], Any]:
    return lambda stock: replacement
