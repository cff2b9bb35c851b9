"""Files of network weights: those of BSRModel, of BasicSR, bare state dicts, and safetensors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bsr_plugin.errors import InputError
from bsr_plugin.models import checkpoint, safetensors_file
from bsr_plugin.models.shipped import weights_file


@dataclass(frozen=True)
class WeightsFile:
    """A file of weights.

    Attributes:
        entries: Name of an entry, such as ``params``, -> weights by name; a bare state dict, which safetensors files
            hold too, is the entry ``None``.
        network: Type and arguments of the network; empty in files that do not tell, as those of ``SRModel``.
        metadata: What else the file says, by name, such as ``versions``.
        option: How the user names an entry, in errors.
    """

    path: Path
    entries: Mapping[str | None, Mapping[str, Tensor]]
    network: Mapping[str, Any]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    option: str = 'path.param_key_g'

    def weights(self, param_key: str | None) -> dict[str, Tensor]:
        """The weights of an entry by name, without the prefix ``module.`` of parallel training.

        Raises:
            InputError: There is no such entry, or a weight in it is NaN or infinite.
        """
        if param_key not in self.entries:
            named = ' or '.join(str(name) for name in self.entries if name is not None)
            if param_key is None:
                raise InputError(f'{self.path} is not a bare state dict: set {self.option} to {named}')
            none = 'set path.param_key_g to ~' if self.option == 'path.param_key_g' else f'leave {self.option} out'
            fix = f'set {self.option} to {named}' if named else f'{none}, because it is a bare state dict'
            raise InputError(f'{self.path} has no entry {param_key}: {fix}')
        weights = {name.removeprefix('module.'): value for name, value in self.entries[param_key].items()}
        broken = [name for name, value in weights.items() if not bool(torch.isfinite(value).all())]
        if broken:
            raise InputError(
                f'{self.path} has NaN or infinite values in {len(broken)} of {len(weights)} tensors, such as '
                f'{broken[0]}: use a checkpoint from before the training diverged'
            )
        return weights


def open_weights(path: Path) -> WeightsFile:
    """Reads a file of weights, or the pretrained weights under a name such as ``x2``, to the CPU.

    No code that the file may hold is run.

    Raises:
        InputError: The file is missing, damaged or refused, or has no weights in it.
    """
    path = weights_file(path)
    if path.suffix == safetensors_file.SUFFIX:
        return open_safetensors(path)
    content = checkpoint.read(path)
    if isinstance(content, Mapping) and {'optimizers', 'schedulers'} <= set(content):
        raise InputError(
            f'{path} is a training state, not weights: use models/net_g_{content.get("iter")}.pth of its run, or set '
            'path.resume_state to it to continue that run'
        )
    sections = {None: content, **content} if isinstance(content, Mapping) else {}
    entries = {name: section for name, section in sections.items() if _is_state_dict(section)}
    if not entries:
        raise InputError(f'{path} holds no weights: use a file models/net_g_*.pth of a training run')
    network = content.get('network_g')
    metadata = {name: value for name, value in content.items() if name not in entries and name != 'network_g'}
    return WeightsFile(path, entries, network if isinstance(network, Mapping) else {}, metadata)


def open_safetensors(path: Path) -> WeightsFile:
    """Reads a safetensors file to the CPU, whatever its name ends with; values in its header may be JSON.

    Raises:
        InputError: The file is missing or damaged.
    """
    weights, header = safetensors_file.read(path)
    metadata = {name: safetensors_file.decoded(value) for name, value in header.items()}
    network = metadata.pop('network_g', {})
    if not isinstance(network, Mapping):
        raise InputError(f'{path} is damaged: network_g in its header is not an object in JSON')
    return WeightsFile(path, {None: weights}, network, metadata)


def _is_state_dict(value: Any) -> bool:
    if not isinstance(value, Mapping) or not value:
        return False
    return all(isinstance(name, str) and isinstance(entry, Tensor) for name, entry in value.items())


def check_fit(
    weights: Mapping[str, Tensor], network: Mapping[str, Tensor], path: Path, name: str, strict: bool = True
) -> None:
    """Raises ``InputError`` if weights from a file do not fit the state dict ``network`` that is to load them.

    With ``strict`` all names and shapes must agree, without it a single one is enough.
    """
    misfits = [
        f'{key} is {_shape(weights.get(key))} in the file and {_shape(network.get(key))} in the network'
        for key in {**network, **weights}
        if key not in weights or key not in network or weights[key].shape != network[key].shape
    ]
    if misfits and (strict or len(misfits) == len({**network, **weights})):
        raise InputError(f'{path} does not fit {name}: {misfits[0]} ({len(misfits)} differ)')


def other_arguments(file: WeightsFile, network: Mapping[str, Any]) -> list[str]:
    """What differs between a network and what a file says of the one that its weights were trained with.

    Weights may fit a network that computes something else with them: with another ``rgb_mean``, or ``res_scale``.

    Args:
        file: Says so if it is of ``BSRModel``.
        network: Section ``network_g`` of the options.

    Returns:
        One sentence for each argument that both name and that differs.
    """
    return [
        f'{file.path} was trained with network_g.{name} {file.network[name]}, not {value}'
        for name, value in network.items()
        if name in file.network and _plain(file.network[name]) != _plain(value)
    ]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _shape(tensor: Tensor | None) -> str:
    return 'missing' if tensor is None else 'x'.join(map(str, tensor.shape)) or 'a number'


def check_weights(path: Path, param_key: str | None, network: Mapping[str, Any], strict: bool = True) -> None:
    """Makes sure that a network can be loaded, before a run creates or renames anything.

    The arguments are an option file's ``path.pretrain_network_g``, ``path.param_key_g``, section ``network_g`` and
    ``path.strict_load_g``.

    Raises:
        InputError: The file is missing, unreadable or refused, lacks the entry, holds values that are not finite, or
            belongs to another network.
    """
    # Not at the top: importing the toolbox registers BSRModel, which needs this module whole.
    from basicsr.utils.registry import ARCH_REGISTRY

    weights = open_weights(path).weights(param_key)
    arguments = {name: value for name, value in network.items() if name != 'type'}
    with torch.random.fork_rng(devices=[]):
        built = ARCH_REGISTRY.get(network['type'])(**arguments)
    check_fit(weights, built.state_dict(), path, network['type'], strict)
