"""The networks that can be chosen on the page, by name, each with what its file says of it in one line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bsr_plugin.archs.bsr_arch import BSRNet
from bsr_plugin.errors import InputError
from bsr_plugin.models.load_network import network_in
from bsr_plugin.models.weights import open_weights
from bsr_plugin.upscaling.network import RGBNetwork, load_network
from bsr_plugin.upscaling.settings import Device
from bsr_plugin.weights import names, weights_file
from bsr_plugin.weights.about import WeightsMetadata


@dataclass(frozen=True)
class Choice:
    """A network that can be chosen.

    Attributes:
        name: Name of pretrained weights, or that of a file without folder and ending.
        line: Scale, where the name does not tell it, parameters, and what else is known of it.
        network: What upscales.
    """

    name: str
    line: str
    network: RGBNetwork


def load_choices(weights: Sequence[str], device: Device) -> list[Choice]:
    """Loads networks.

    Args:
        weights: Names of pretrained weights, and files; without any, all that ship.
        device: ``auto`` is the GPU if there is one.

    Raises:
        InputError: There are no such weights, or two have the same name.
    """
    words = list(dict.fromkeys(weights)) or names()
    if not words:
        raise InputError('No weights ship with this version of bsr_plugin: give --weights FILE.')
    choices: dict[str, Choice] = {}
    for word in words:
        name = word if word in names() else Path(word).stem
        if name in choices:
            raise InputError(f'--weights names two files {name}: rename one of them.')
        network = load_network(word, device=device)
        choices[name] = Choice(name, ', '.join(_facts(name, weights_file(word), network)), network)
    return list(choices.values())


def _facts(name: str, path: Path, network: RGBNetwork) -> Iterator[str]:
    """The beginning of a model card."""
    if not name.startswith(f'x{network.scale}'):
        yield f'x{network.scale}'
    if path.suffix.lower() == '.onnx':
        yield 'ONNX'
        return
    file = open_weights(path)
    net = network_in(file)
    if not isinstance(net, BSRNet):
        yield type(net).__name__
        yield f'{sum(weight.numel() for weight in net.parameters()):,} parameters'
        return
    about = WeightsMetadata.of(file, net)
    yield f'{about.parameters:,} parameters'
    if about.degradation not in (None, 'bicubic'):
        yield f'for {about.degradation} images'
    for images, scores in list(about.scores.items())[:1]:
        if 'psnr_y' in scores:
            yield f'PSNR {scores["psnr_y"].mean:.2f} dB on {images}'
