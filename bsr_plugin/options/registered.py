"""Classes that an option file names by their ``type``: what BasicSR or a plugin registered, and torch's optimizers.

All but data sets and models take their options as arguments, so their signatures tell the keys.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal

from pydantic import AfterValidator

from bsr_plugin.errors import InputError
from bsr_plugin.schema.wording import perhaps, shown

Kind = Literal['network', 'loss', 'metric', 'optimizer', 'scheduler', 'backend', 'data set', 'model']

#: Arguments that come from the run, not from the options.
_FROM_THE_RUN = {
    'metric': ('img', 'img2'),
    'optimizer': ('params',),
    'scheduler': ('optimizer', 'last_epoch'),
    'backend': ('db_paths', 'client_keys'),
}


def names(kind: Kind) -> list[str]:
    """The registered names of one kind, sorted."""
    return sorted(_registry(kind))


def find(kind: Kind, name: str) -> Callable[..., Any]:
    """The class or function; BasicSR also finds ``NAME_basicsr`` under ``NAME``.

    Raises:
        InputError: There is none of this name.
    """
    registered = _registry(kind)
    target = registered.get(name, registered.get(f'{name}_basicsr'))
    if target is None and kind == 'optimizer':
        raise InputError(f'the installed BasicSR does not build {shown(name)}, only {", ".join(names(kind))}')
    if target is None:
        raise InputError(f'{shown(name)} is not a registered {kind}{perhaps(name, registered)}')
    return target


def check_name(kind: Kind) -> AfterValidator:
    """Validates the registered name of a class."""

    def check(name: str) -> str:
        find(kind, name)
        return name

    return AfterValidator(check)


def arguments(target: Callable[..., Any], kind: Kind) -> Mapping[str, inspect.Parameter]:
    """The named arguments that come from the options."""
    parameters, skip = inspect.signature(target).parameters.values(), _FROM_THE_RUN.get(kind, ())
    named = [each for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    return {each.name: each for each in named if each.name not in skip}


def takes_any(target: Callable[..., Any]) -> bool:
    """Whether there are further arguments; BasicSR's ``**kwargs`` only swallow what a class does not need."""
    parameters = inspect.signature(target).parameters.values()
    return any(each.kind is each.VAR_KEYWORD for each in parameters) and not target.__module__.startswith('basicsr.')


def _registry(kind: Kind) -> Mapping[str, Callable[..., Any]]:
    # BasicSR fills a registry when the package of that kind is imported: models bring archs, losses and metrics.
    import basicsr.data
    import basicsr.models  # noqa: F401
    from basicsr.models.lr_scheduler import CosineAnnealingRestartLR, MultiStepRestartLR
    from basicsr.utils import registry
    from basicsr.utils.file_client import FileClient

    if kind == 'optimizer':
        return _optimizers()
    if kind == 'backend':
        return FileClient._backends
    if kind == 'scheduler':
        restart = dict.fromkeys(('MultiStepLR', 'MultiStepRestartLR'), MultiStepRestartLR)
        return {**restart, 'CosineAnnealingRestartLR': CosineAnnealingRestartLR}
    name = {'network': 'ARCH', 'data set': 'DATASET'}.get(kind, kind.upper())
    return dict(iter(getattr(registry, f'{name}_REGISTRY')))


@cache
def _optimizers() -> Mapping[str, Callable[..., Any]]:
    """Those of torch that the toolbox builds: BasicSR 1.4.2 Adam alone, its repository seven."""
    import torch
    from basicsr.models.base_model import BaseModel

    def builds(name: str) -> bool:
        """Whether the toolbox knows the name; the only way to learn that is to have it build one."""
        try:
            BaseModel.get_optimizer(None, name, [torch.nn.Parameter(torch.zeros(1))], 0.1)
        except NotImplementedError:
            return False
        except Exception:  # the toolbox knows the name, and torch wants other arguments or weights
            pass
        return True

    classes = inspect.getmembers(torch.optim, inspect.isclass)
    return {name: one for name, one in classes if issubclass(one, torch.optim.Optimizer) and builds(name)}
