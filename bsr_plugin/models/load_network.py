"""A BSRNet from any checkpoint, without the option file it was trained with."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bsr_plugin.archs.arguments import arguments_of
from bsr_plugin.archs.bsr_arch import BSRNet
from bsr_plugin.errors import InputError
from bsr_plugin.models.weights import WeightsFile, check_fit, open_weights


def load_bsrnet(path: Path, param_key: str | None = None, network: Mapping[str, Any] | None = None) -> BSRNet:
    """Loads a BSRNet from any checkpoint, in eval mode, float32, on the CPU.

    Shape, scale, upsampler, attention and skip connections are read from the tensors. ``img_range`` and ``rgb_mean``
    are not in them: they come from the file's entry ``network_g``, which BSRModel writes, or from ``network``, and
    otherwise have the defaults of ``BSRNet``.

    Args:
        path: A file of BSRModel or SRModel, or a bare state dict.
        param_key: Which entry; ``None`` takes ``params_ema``, or else ``params``, or else the bare state dict.
        network: Type and arguments that the caller knows of.

    Raises:
        InputError: The file cannot be read, holds another network, or contradicts itself or ``network``.
    """
    return bsrnet_in(open_weights(path), param_key, network)


def bsrnet_in(file: WeightsFile, param_key: str | None = None, network: Mapping[str, Any] | None = None) -> BSRNet:
    """The BSRNet in a file that has been read; see :func:`load_bsrnet`."""
    path = file.path
    key = param_key or next((key for key in ('params_ema', 'params') if key in file.entries), None)
    weights = file.weights(key)
    for section in (file.network, network or {}):
        if section.get('type', 'BSRNet') != 'BSRNet':
            raise InputError(f'{path} holds the weights of {section["type"]}, not of BSRNet')
    try:
        known = arguments_of(weights)
        for source, section in (('its entry network_g', file.network), ('network_g of the options', network or {})):
            for name, value in section.items():
                if name != 'type' and _plain(known.setdefault(name, value)) != _plain(value):
                    raise InputError(f'{name} is {known[name]}, but {source} says {value}')
        net = BSRNet(**known)
    except InputError as error:
        raise InputError(f'{path}: {error}') from error
    except TypeError as error:
        raise InputError(f'{path} was made by a later version of bsr_plugin: {error}') from error
    check_fit(weights, net.state_dict(), path, 'BSRNet')
    net.load_state_dict(weights)
    return net.eval()


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
