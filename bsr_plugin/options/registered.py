"""Classes that BasicSR or another plugin registered: which names exist, and which options each class takes.

A network, loss or metric takes its options as arguments, so its signature tells their names.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal

Kind = Literal['network', 'loss', 'metric', 'dataset', 'model']

#: Arguments of a metric that come from the run, not from the options.
_METRIC_INPUTS = frozenset({'img', 'img2'})


def names(kind: Kind) -> list[str]:
    """The registered names of one kind, sorted."""
    return sorted(_registry(kind).keys())


def find(kind: Kind, name: str) -> Callable[..., Any] | None:
    """The registered class or function, or ``None``; BasicSR also finds ``NAME_basicsr`` under ``NAME``."""
    registered = dict(iter(_registry(kind)))
    return registered.get(name, registered.get(f'{name}_basicsr'))


def arguments(kind: Kind, name: str) -> Mapping[str, inspect.Parameter] | None:
    """The named arguments of a network, loss or metric; ``None`` where it takes any.

    The toolbox itself uses ``**kwargs`` only to swallow what it does not need: there, it does not count.
    """
    target = find(kind, name)
    if target is None:
        return None
    parameters = inspect.signature(target).parameters.values()
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    if takes_any and not _of_toolbox(target):
        return None
    skip = _METRIC_INPUTS if kind == 'metric' else frozenset()
    return {p.name: p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name not in skip}


def _of_toolbox(target: Any) -> bool:
    return str(getattr(target, '__module__', '')).partition('.')[0] == 'basicsr'


def _registry(kind: Kind) -> Any:
    # BasicSR fills a registry when the package of that kind is imported; importing the plugin does both.
    import basicsr.archs
    import basicsr.data
    import basicsr.losses
    import basicsr.metrics
    import basicsr.models  # noqa: F401
    from basicsr.utils import registry

    registries = {
        'network': registry.ARCH_REGISTRY,
        'loss': registry.LOSS_REGISTRY,
        'metric': registry.METRIC_REGISTRY,
        'dataset': registry.DATASET_REGISTRY,
        'model': registry.MODEL_REGISTRY,
    }
    return registries[kind]
