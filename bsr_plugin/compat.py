"""Makes ``import basicsr`` possible on today's Python, torch and torchvision, and acts around that import.

One function for each obstacle; it says what goes wrong, and does nothing where nothing would. No installed file is
changed. Whatever is replaced in the toolbox once it is imported stands in ``toolbox/``.

This file imports the standard library alone, and nothing of this package: the start-up hook
(``startup/bsr_plugin_hook.py``) loads it by its path, before the package is known.
"""

import importlib.util
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any


def before_basicsr() -> None:
    """Makes ``import basicsr`` possible; harmless to repeat."""
    define_torchvision_operators()
    provide_functional_tensor()
    provide_distutils()


def when_basicsr_is_imported(after: Callable[[], None]) -> None:
    """Calls ``before_basicsr`` and ``after`` around the import of the toolbox; ``after`` now if it is imported."""
    if 'basicsr' in sys.modules:
        after()
    else:
        sys.meta_path.insert(0, _AroundBasicSR(after))


class _AroundBasicSR(MetaPathFinder):
    """Finds ``basicsr`` where the other finders find it."""

    def __init__(self, after: Callable[[], None]) -> None:
        self.after = after

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return spec_around(self, name, self.after) if name == 'basicsr' else None


def spec_around(finder: Any, name: str, after: Callable[[], None]) -> ModuleSpec | None:
    """Finds a top-level package with the finders behind ``finder`` in ``sys.meta_path``.

    ``before_basicsr`` is called before the package is executed and ``after`` after it; looking for it calls neither.
    """
    behind = sys.meta_path[sys.meta_path.index(finder) + 1 :]
    found = (other.find_spec(name, None) for other in behind if hasattr(other, 'find_spec'))
    spec = next(filter(None, found), None)
    if spec is not None and spec.loader is not None:
        spec.loader = _LoaderAround(spec.loader, after)
    return spec


class _LoaderAround(Loader):
    """Loads with another loader, which some finders share among modules and which therefore stays as it is."""

    def __init__(self, loader: Loader, after: Callable[[], None]) -> None:
        self._loader = loader
        self._after = after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Imports the module, with what it needs put right before and what is changed in it bound after."""
        before_basicsr()
        # From here on the module is like any other, for whoever asks it for its sources or its data files.
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._after()


def define_torchvision_operators() -> None:
    """Declares ``nms`` and ``qnms`` where torchvision's compiled library was built for CUDA and torch was not.

    ``import torchvision`` attaches shape functions to these operators, and fails without them; nothing calls them.
    """
    package = importlib.util.find_spec('torchvision')
    if 'torchvision' in sys.modules or package is None:
        return
    import torch

    for folder in package.submodule_search_locations or ():
        for library in Path(folder).glob('_C.*'):
            # Loading twice is harmless; defining an operator that a later load defines again is not.
            with suppress(OSError):
                torch.ops.load_library(str(library))
    for operator in ('nms', 'qnms'):
        if not hasattr(torch.ops.torchvision, operator):
            torch.library.define(
                f'torchvision::{operator}', '(Tensor dets, Tensor scores, float iou_threshold) -> Tensor'
            )


def provide_functional_tensor() -> None:
    """Gives torchvision 0.17 and later the module that ``basicsr.data.degradations`` takes one function from."""
    name = 'torchvision.transforms.functional_tensor'
    if name in sys.modules or importlib.util.find_spec(name) is not None:
        return
    from torchvision.transforms.functional import rgb_to_grayscale

    _add_module(name, rgb_to_grayscale=rgb_to_grayscale)


def provide_distutils() -> None:
    """Gives Python 3.12 and later the one name of ``distutils`` that ``basicsr.archs.arch_util`` compares with.

    Usually setuptools brings a copy of ``distutils``; this is for where it does not.
    """
    if 'distutils' in sys.modules or importlib.util.find_spec('distutils') is not None:
        return
    from packaging.version import Version

    _add_module('distutils', __path__=[])
    _add_module('distutils.version', LooseVersion=Version)


def _add_module(name: str, **contents: Any) -> None:
    module = ModuleType(name, 'Stands in for a module that is gone; see bsr_plugin/compat.py.')
    vars(module).update(contents)
    sys.modules[name] = module
