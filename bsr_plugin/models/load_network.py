"""Networks from their checkpoints, without the option files they were trained with."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

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
        param_key: Which entry; ``None`` takes ``params_ema``, or else ``params``, or else the only one, or the bare
            state dict.
        network: Type and arguments that the caller knows of.

    Raises:
        InputError: The file cannot be read, holds another network, or contradicts itself or ``network``.
    """
    return bsrnet_in(open_weights(path), param_key, network)


def bsrnet_in(file: WeightsFile, param_key: str | None = None, network: Mapping[str, Any] | None = None) -> BSRNet:
    """The BSRNet in a file that has been read; see :func:`load_bsrnet`."""
    path = file.path
    weights = file.weights(param_key or _best_entry(file))
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


def network_in(file: WeightsFile) -> nn.Module:
    """The network that a file names, any that is registered: a BSRNet where it names none.

    Returns:
        In eval mode, float32, on the CPU.

    Raises:
        InputError: The network is not registered, cannot be made, or does not fit the weights.
    """
    kind = file.network.get('type', BSRNet.__name__)
    if kind == BSRNet.__name__:
        return bsrnet_in(file)
    # Not at the top: importing the toolbox registers BSRModel, which needs modules of this package whole.
    import basicsr.archs  # noqa: F401
    from basicsr.utils.registry import ARCH_REGISTRY

    if kind not in ARCH_REGISTRY:
        raise InputError(f'{file.path} holds weights of {kind}, which nothing here registers: give it as an ONNX file.')
    arguments = {name: value for name, value in file.network.items() if name != 'type'}
    try:
        with torch.random.fork_rng(devices=[]):
            net: nn.Module = ARCH_REGISTRY.get(kind)(**arguments)
    except (TypeError, ValueError) as error:
        raise InputError(f'{file.path}: its entry network_g does not make a {kind} ({error}).') from error
    weights = file.weights(_best_entry(file))
    check_fit(weights, net.state_dict(), file.path, kind)
    net.load_state_dict(weights)
    return net.eval()


def _best_entry(file: WeightsFile) -> str | None:
    """The averaged weights, or the trained ones, or the only ones whatever they are called."""
    named = next((key for key in ('params_ema', 'params') if key in file.entries), None)
    return next(iter(file.entries)) if named is None and len(file.entries) == 1 else named


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
