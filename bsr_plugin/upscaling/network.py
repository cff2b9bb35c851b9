"""Networks that upscale RGB, from the pretrained weights or from any file of weights, loaded once."""

import math
import os
import threading
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, get_args

import torch
from torch import Tensor, nn

from bsr_plugin.archs.bsr_arch import BSRNet
from bsr_plugin.errors import InputError
from bsr_plugin.models.gradient_step import computes_bf16
from bsr_plugin.models.load_network import network_in
from bsr_plugin.models.padding import cropped, multiple_wanted_by, padded
from bsr_plugin.models.weights import open_weights
from bsr_plugin.upscaling.precision import LARGEST_LOSS, loss_of_bf16
from bsr_plugin.upscaling.settings import Device, Precision
from bsr_plugin.weights import existing_file, names

#: Taken where neither a scale nor weights are named.
DEFAULT_SCALE = 2
#: Sides in LR pixels, or a few more, of the image that tells the scale of a network.
_PROBE = 16


class RGBNetwork(Protocol):
    """What maps (N, 3, H, W) in [0, 1] to (N, 3, scale H, scale W), not clipped, on the CPU, from any thread.

    Attributes:
        name: What it was loaded from.
        scale: Factor from LR to HR.
        reach: Largest distance in LR pixels over which it looks; ``None`` where that is not known.
        precision: What it computes in, and why, in words.
    """

    name: str
    scale: int
    reach: int | None
    precision: str

    def __call__(self, image: Tensor) -> Tensor:
        """Upscales a batch."""


class TorchNetwork:
    """A network of PyTorch on a device; see ``RGBNetwork``.

    Args:
        net: A BSRNet, or another network from RGB in [0, 1] to RGB.
        name: What it was loaded from.
        device: Where it computes.
        precision: What in; see :func:`load_network`.
        arguments: What another network than BSRNet was made with, which may tell the window it works in.

    Raises:
        InputError: The network is not one from RGB to RGB of a whole factor.
    """

    def __init__(
        self,
        net: nn.Module,
        name: str,
        device: torch.device,
        precision: Precision = 'float32',
        arguments: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.name, self.precision = name, 'float32'
        self.reach: int | None = net.receptive_field_radius if isinstance(net, BSRNet) else None
        self._range = net.img_range if isinstance(net, BSRNet) else 1.0
        self._multiple = 1 if isinstance(net, BSRNet) else multiple_wanted_by(net, arguments)
        self._device = device
        # Neighbouring channels lie next to each other in memory, as the convolutions of bf16 want them.
        self._net = net.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self._bf16 = False
        self.scale = net.upscale if isinstance(net, BSRNet) else self._measured_scale()
        if precision != 'float32':
            self._choose(precision)

    def _choose(self, precision: Precision) -> None:
        """Takes bf16 if asked for, or if the device computes it and the result is as good as float32's."""
        if precision == 'auto' and not computes_bf16(self._device):
            return
        loss = loss_of_bf16(self, self._computing_bf16, self.scale)
        self._bf16 = precision == 'bf16' or loss < LARGEST_LOSS
        chosen = 'bf16' if self._bf16 else 'float32'
        self.precision = f'{chosen} (bf16 loses {loss:.4f} dB on a photograph)'

    def _measured_scale(self) -> int:
        side = self._multiple * math.ceil(_PROBE / self._multiple)
        kind = type(self._net).__name__
        try:
            shape = tuple(self(torch.zeros(1, 3, side, side)).shape)
        except RuntimeError as error:
            raise InputError(f'{self.name}: {kind} does not take RGB images of {side} x {side} ({error}).') from error
        scale = shape[-1] // side
        if not scale or shape != (1, 3, scale * side, scale * side):
            size = ' x '.join(map(str, shape[1:]))
            raise InputError(f'{self.name}: {kind} makes {size} of 3 x {side} x {side}: use one that upscales RGB.')
        return scale

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Tensor:
        """Upscales a batch."""
        return self._compute(image, self._bf16)

    @torch.no_grad()
    def _computing_bf16(self, image: Tensor) -> Tensor:
        return self._compute(image, bf16=True)

    def _compute(self, image: Tensor, bf16: bool) -> Tensor:
        whole = padded(image, self._multiple)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=bf16):
            result: Tensor = self._net((whole * self._range).to(self._device, memory_format=torch.channels_last))
        return cropped(result, image, whole).float().cpu() / self._range


def load_network(
    weights: str | os.PathLike[str] | None = None,
    scale: int | None = None,
    device: Device = 'auto',
    precision: Precision = 'auto',
) -> RGBNetwork:
    """Loads a network, once for every state of the file; safe to call from several threads.

    Args:
        weights: The name of pretrained weights, or a file: a checkpoint of BSRModel with any registered network, a
            BSRNet of SRModel or in safetensors, or ONNX. ``None`` takes those that ship for ``scale``.
        scale: What the scale has to be; ``None`` takes that of the weights.
        device: ``auto`` is the GPU if there is one, for ONNX files only where ONNX Runtime computes on it.
        precision: ``auto`` is bf16 where the device computes it and it loses less than ``LARGEST_LOSS`` on a
            photograph, which is measured. ONNX files compute in their own and take no other.

    Raises:
        InputError: There are no such weights, or they have another scale, or there is no such device or precision.
    """
    _check_choices(device, precision)
    name, path = _found(weights, scale)
    is_onnx = path.suffix.lower() == '.onnx'
    if is_onnx and precision != 'auto':
        raise InputError(f'{name} is an ONNX file, which has a precision of its own: leave {precision} out.')
    stamp = path.stat()
    with _loading:
        state = stamp.st_mtime_ns, stamp.st_size
        network = _loaded(name, path, state, _device(device), precision, is_onnx and device == 'auto')
    if scale is not None and network.scale != scale:
        raise InputError(f'{name} upscales by {network.scale}, not by {scale}: give that scale, or other weights.')
    return network


_loading = threading.Lock()


@lru_cache(maxsize=4)
def _loaded(
    name: str, path: Path, stamp: tuple[int, int], device: torch.device, precision: Precision, or_cpu: bool
) -> RGBNetwork:
    """``stamp`` tells one state of the file from another; ``or_cpu`` is for ONNX files."""
    if path.suffix.lower() == '.onnx':
        from bsr_plugin.upscaling.onnx_network import OnnxNetwork

        return OnnxNetwork(path, device, or_cpu)
    file = open_weights(path)
    # Float32 whatever torch's default type is.
    return TorchNetwork(network_in(file).float(), name, device, precision, file.network)


def _found(weights: str | os.PathLike[str] | None, scale: int | None) -> tuple[str, Path]:
    """What weights are called, and where they are."""
    if weights is None:
        weights = f'x{scale or DEFAULT_SCALE}'
        if weights not in names():
            ship = ', '.join(names()) or 'none'
            raise InputError(
                f'No weights for {weights} ship with this version of bsr_plugin ({ship} do): give --weights FILE.'
            )
    path = existing_file(weights)
    if not path.is_file():
        raise InputError(f'{path} is not a file of weights: give a checkpoint, a safetensors or an ONNX file.')
    return str(weights), path.resolve()


def _check_choices(device: Device, precision: Precision) -> None:
    """Refuses what only a caller without type checker gives."""
    for what, given, choices in (('device', device, get_args(Device)), ('precision', precision, get_args(Precision))):
        if given not in choices:
            raise InputError(f'The {what} is {given!r}: use {", ".join(choices[:-1])} or {choices[-1]}.')


def _device(name: Device) -> torch.device:
    if name == 'cuda' and not torch.cuda.is_available():
        raise InputError('The device is cuda, but torch finds no GPU here: leave --device out, or use cpu.')
    if name == 'auto':
        name = 'cuda' if torch.cuda.is_available() else 'cpu'
    return torch.device(name)
