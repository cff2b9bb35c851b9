"""What upscaling costs: BSRNet in every way it can be computed, BasicSR's own networks, interpolation, other packages.

All upscale parts of the same image, in one process, taken in turn. Networks are held against the rate of a matrix
product, which is measured in the same run: no convolution computed directly is faster.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bsr_plugin.archs.arguments import arguments_of_network
from bsr_plugin.archs.bsr_arch import BSRNet
from bsr_plugin.bench.train import matrix_rates
from bsr_plugin.bench.upscalers import Upscaler, interpolations, known_network, of_other_packages, on_tensors, psnr_y
from bsr_plugin.data.image_file import list_images, read_image
from bsr_plugin.errors import InputError
from bsr_plugin.export import onnx_file
from bsr_plugin.models.cost import macs_per_pixel
from bsr_plugin.models.gradient_step import computes_bf16
from bsr_plugin.progress import progress
from bsr_plugin.upscaling.network import TorchNetwork
from bsr_plugin.upscaling.onnx_network import OnnxNetwork
from bsr_plugin.weights import load_model, names
from bsr_plugin.weights.about import WeightsMetadata

ROUNDS = 5
#: BasicSR's networks that are measured beside.
PEERS = ('EDSR-M', 'RCAN')
#: Seconds that one result may take; slower contenders get a smaller part of the image.
LONGEST = 4.0
#: LR pixels of the smallest part, per side.
SMALLEST = 32
#: Of so many the PSNR is measured.
PHOTOGRAPHS = 8
#: What is said of the network where no weights are given and none ship.
NEW = 'new weights, 32 channels, 4 x 2'


@dataclass(frozen=True)
class UpscaleSetting:
    """What is measured, and where.

    Attributes:
        device: ``cpu`` or ``cuda``, for networks; interpolation is always on the CPU.
        scale: Factor; ``None`` takes that of the weights, or 2.
        weights: Name or file of a BSRNet; ``None`` takes those that ship, or else new ones of a small network.
        megapixels: Size of the largest result.
        peers: Which of BasicSR's networks beside.
    """

    device: str = 'cpu'
    scale: int | None = None
    weights: str | None = None
    megapixels: float = 1.0
    peers: Sequence[str] = PEERS


@dataclass
class UpscaleFigures:
    """What was measured; dictionaries are by contender.

    Attributes:
        device: Where networks compute.
        network: Which weights BSRNet has.
        scale: Factor.
        megapixels_per_s: Megapixels of the result per second, median over the rounds.
        megapixels: Size of the result.
        gmacs_per_megapixel: 10^9 multiply-adds of a network per megapixel of the result.
        gmacs_per_s: What it reaches.
        of_matrix: The same as a share of a matrix product of its precision.
        matrix_gmacs_per_s: What a plain matrix product reaches in ``float32`` (or ``TF32``) and in ``bf16``.
        psnr_y: Of all that have trained weights or need none, in dB: mean over the centres of photographs, bicubic LR.
    """

    device: str
    network: str
    scale: int
    megapixels_per_s: dict[str, float] = field(default_factory=dict)
    megapixels: dict[str, float] = field(default_factory=dict)
    gmacs_per_megapixel: dict[str, float] = field(default_factory=dict)
    gmacs_per_s: dict[str, float] = field(default_factory=dict)
    of_matrix: dict[str, float] = field(default_factory=dict)
    matrix_gmacs_per_s: dict[str, float] = field(default_factory=dict)
    psnr_y: dict[str, float] = field(default_factory=dict)


def measure_upscale(setting: UpscaleSetting, images: Path, folder: Path) -> UpscaleFigures:
    """Measures on one device; files of networks may be written to ``folder``.

    Raises:
        InputError: There is no image, or there are no such weights.
    """
    photographs = [read_image(file)[..., ::-1] for file in list_images(images)[:PHOTOGRAPHS]]
    name, net = _network(setting)
    scale = net.upscale
    figures = UpscaleFigures(setting.device, name, scale)
    macs: dict[str, float] = {}
    contenders = _ours(net, torch.device(setting.device), folder, macs)
    for peer in setting.peers:
        network, contenders[peer] = known_network(peer, scale, torch.device(setting.device))
        macs[peer] = macs_per_pixel(network) / 1e3
    contenders |= of_other_packages(scale) | interpolations(scale)
    # What has new weights has no quality.
    new = {*setting.peers, *(each for each in contenders if each.startswith('bsr_') and name == NEW)}
    figures.psnr_y = {
        each: psnr_y(upscaler, photographs, scale) for each, upscaler in contenders.items() if each not in new
    }
    image = _lr_image(photographs[0], scale, setting.megapixels)
    parts = {each: _fitting(upscaler, image) for each, upscaler in contenders.items()}
    figures.megapixels = {each: scale**2 * part.shape[0] * part.shape[1] / 1e6 for each, part in parts.items()}
    rounds: dict[str, list[float]] = {each: [] for each in contenders}
    for _ in progress(range(ROUNDS), label='Upscaling', unit='round'):
        for each, upscaler in contenders.items():
            rounds[each].append(figures.megapixels[each] / _seconds(upscaler, parts[each]))
    figures.megapixels_per_s = {each: median(rates) for each, rates in rounds.items()}
    figures.matrix_gmacs_per_s = matrix_rates(setting.device)
    float32, bf16 = figures.matrix_gmacs_per_s.values()
    for each, per_megapixel in macs.items():
        figures.gmacs_per_megapixel[each] = per_megapixel
        figures.gmacs_per_s[each] = per_megapixel * figures.megapixels_per_s[each]
        figures.of_matrix[each] = figures.gmacs_per_s[each] / (bf16 if each == 'bsr_bf16' else float32)
    return figures


def _network(setting: UpscaleSetting) -> tuple[str, BSRNet]:
    scale = setting.scale or 2
    weights = setting.weights or f'x{scale}'
    if setting.weights is None and weights not in names():
        return NEW, BSRNet(num_feat=32, num_group=4, num_block=2, upscale=scale).eval()
    net = load_model(weights)
    if setting.scale not in (None, net.upscale):
        raise InputError(f'{weights} upscales by {net.upscale}, not by {scale}: give that scale, or other weights.')
    return weights, net


def _ours(net: BSRNet, device: torch.device, folder: Path, macs: dict[str, float]) -> dict[str, Upscaler]:
    """BSRNet in float32, and in bf16 and by ONNX Runtime where that can be."""
    contenders: dict[str, Upscaler] = {'bsr_float32': on_tensors(TorchNetwork(net, 'float32', device))}
    if computes_bf16(device):
        contenders['bsr_bf16'] = on_tensors(TorchNetwork(net, 'bf16', device, 'bf16'))
    if device.type == 'cpu':
        with suppress(InputError):  # what ONNX needs is not installed
            contenders['bsr_onnx'] = on_tensors(_through_onnx(net, folder))
    macs |= dict.fromkeys(contenders, macs_per_pixel(net) / 1e3)
    return contenders


def _through_onnx(net: BSRNet, folder: Path) -> Callable[[Tensor], Tensor]:
    about = WeightsMetadata(
        {'type': 'BSRNet', **arguments_of_network(net)}, net.upscale, sum(map(Tensor.numel, net.parameters()))
    )
    path = folder / 'bsr.onnx'
    path.write_bytes(onnx_file.encode(net, about))
    return OnnxNetwork(path, torch.device('cpu'))


def _lr_image(image: NDArray[np.uint8], scale: int, megapixels: float) -> NDArray[np.uint8]:
    """A square that becomes so large, of a photograph that is repeated if it is smaller."""
    side = max(SMALLEST, round((megapixels * 1e6) ** 0.5 / scale))
    repeats = [-(-side // length) for length in image.shape[:2]]
    return np.ascontiguousarray(np.tile(image, (*repeats, 1))[:side, :side])


def _fitting(upscaler: Upscaler, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The largest part, doubled in side from ``SMALLEST`` on, that does not take too long. Warms up, too."""
    side = SMALLEST
    while True:
        part = np.ascontiguousarray(image[:side, :side])
        _seconds(upscaler, part)
        if side >= len(image) or 4 * _seconds(upscaler, part) > LONGEST:
            return part
        side = 2 * side if 4 * side <= len(image) else len(image)


def _seconds(upscaler: Upscaler, image: NDArray[np.uint8]) -> float:
    began = time.perf_counter()
    upscaler(image)
    return time.perf_counter() - began
