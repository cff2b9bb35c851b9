"""BSR, balanced single-image super resolution, as a plugin for the BasicSR toolbox.

Importing this package is enough to use it: as soon as ``basicsr`` is imported too, before or after, the classes
of this package are in its registries under their names. An option file does it with its first line::

    bsr_plugin: !!python/name:bsr_plugin.__version__

The toolbox itself, and torch with it, is not imported here: the commands that need neither start at once.

Without an option file, :func:`upscale` enlarges images, and :func:`load_model` gives a network that is ready to use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bsr_plugin import compat

if TYPE_CHECKING:
    from bsr_plugin.upscaling.function import upscale
    from bsr_plugin.weights import load_model

__all__ = ['load_model', 'register', 'upscale']

__version__ = '0.1.0'

#: The modules that put classes into the toolbox's registries when they are imported.
REGISTERING = (
    'bsr_plugin.archs.bsr_arch',
    'bsr_plugin.losses.hybrid_loss',
    'bsr_plugin.data.rfs_paired_image_dataset',
    'bsr_plugin.data.sr_benchmark_dataset',
    'bsr_plugin.models.bsr_model',
)


#: What this package offers -> the module it is imported from when it is first asked for.
_ON_DEMAND = {'load_model': 'bsr_plugin.weights', 'upscale': 'bsr_plugin.upscaling.function'}


if not TYPE_CHECKING:  # which would otherwise take any name for one of this package

    def __getattr__(name: str) -> Any:
        if name not in _ON_DEMAND:
            raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
        return getattr(import_module(_ON_DEMAND[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_ON_DEMAND})


def register() -> None:
    """Puts every class of this package into the toolbox's registries; a second call changes nothing."""
    for name in REGISTERING:
        import_module(name)


def _set_up() -> None:
    from bsr_plugin.toolbox.replacing import replace_in_toolbox

    register()
    replace_in_toolbox()


compat.when_basicsr_is_imported(_set_up)
