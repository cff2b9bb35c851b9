"""Replaces names of the toolbox, by one rule; the table is in ``__init__.py``."""

import sys
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any, TypeVar

import torch

from bsr_plugin.toolbox import on_cpu
from bsr_plugin.toolbox.evaluation_program import EvaluationProgram
from bsr_plugin.toolbox.prefetch import CPUPrefetcher, CUDAPrefetcher
from bsr_plugin.toolbox.sampler import ResumableSampler
from bsr_plugin.toolbox.training_program import TrainingProgram

_STOCK = 'replaced_by_bsr_plugin'
_PROGRAM = 'opened_by_bsr_plugin'

Program = TypeVar('Program', TrainingProgram, EvaluationProgram)


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
    for program in _programs('train_pipeline'):
        replace_in_training_program(program)
    for program in _programs('test_pipeline'):
        replace_in_test_program(program)
    replace_for_cpus()


def replace_in_training_program(program: Any) -> TrainingProgram:
    """Replaces what ``train_pipeline`` of a program looks up by name."""
    opened = _opened(program, TrainingProgram)
    _replace_by(
        program,
        EnlargedSampler=ResumableSampler,
        CPUPrefetcher=CPUPrefetcher,
        CUDAPrefetcher=CUDAPrefetcher,
        load_resume_state=opened.load_resume_state,
        create_train_val_dataloader=opened.create_train_val_dataloader,
        build_model=opened.build_model,
    )
    return opened


def replace_in_test_program(program: Any) -> EvaluationProgram:
    """Replaces what ``test_pipeline`` of a program looks up by name."""
    opened = _opened(program, EvaluationProgram)
    _replace_by(
        program,
        make_exp_dirs=opened.make_exp_dirs,
        build_dataset=opened.build_dataset,
        build_model=opened.build_model,
    )
    return opened


def _opened(program: Any, kind: type[Program]) -> Program:
    """The object behind a program's replaced functions; made before they are, from what the toolbox had."""
    if not hasattr(program, _PROGRAM):
        setattr(program, _PROGRAM, kind(program))
    return getattr(program, _PROGRAM)


def _replace_by(owner: Any, **replacements: Any) -> None:
    for name, replacement in replacements.items():
        replace(owner, name, partial(_instead, replacement))


def _instead(replacement: Any, stock: Any) -> Any:
    return replacement


def replace_for_cpus() -> None:
    """Replaces what asks for a GPU for no reason."""
    from basicsr.models.base_model import BaseModel
    from basicsr.utils import dist_util

    replace(BaseModel, 'model_to_device', on_cpu.model_to_device)
    if not torch.cuda.is_available():
        _replace_by(dist_util, torch=on_cpu.ONE_DEVICE)
        replace(dist_util, '_init_dist_pytorch', on_cpu.over_gloo)
        replace(dist_util, '_init_dist_slurm', on_cpu.over_gloo)


def _programs(pipeline: str) -> list[ModuleType]:
    """The modules that hold a pipeline of the toolbox: its own, and the running program if it is a copy of it."""
    import basicsr.test
    import basicsr.train

    modules = (basicsr.train, basicsr.test, sys.modules['__main__'])
    return [module for module in modules if callable(vars(module).get(pipeline)) and 'parse_options' in vars(module)]
