"""ONNX files as networks, through ONNX Runtime."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bsr_plugin.archs.bsr_arch import BSRNet
from bsr_plugin.errors import InputError

#: Heights and widths that networks are tried with: not all of what other exporters write can be run on odd ones.
_TRIED = (8, 8), (17, 13)
#: What ONNX Runtime's errors say where there is no room for a tensor.
_NO_MEMORY = 'Failed to allocate memory'


class OnnxNetwork:
    """A network (N, 3, H, W) in [0, 1] to (N, 3, s H, s W) with dynamic sizes; see ``RGBNetwork``.

    The arguments of a BSRNet, which ``bsr export`` writes into the metadata, tell its range and how far it looks.

    Args:
        path: The file.
        device: What it is to run on.
        or_cpu: Whether it may run on the CPU where ONNX Runtime does not run on the device.

    Raises:
        InputError: ONNX Runtime is missing, or the file is not such a network.
    """

    def __init__(self, path: Path, device: torch.device, or_cpu: bool = False) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise InputError(f'{path} needs ONNX Runtime: pip install onnxruntime.') from None
        provider = 'CUDAExecutionProvider' if device.type == 'cuda' else 'CPUExecutionProvider'
        if provider not in onnxruntime.get_available_providers():
            if not or_cpu:
                raise InputError(f'{path} cannot run on a GPU: install onnxruntime-gpu, or use --device cpu.')
            provider = 'CPUExecutionProvider'
        try:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = torch.get_num_threads()
            self._session = onnxruntime.InferenceSession(str(path), options, providers=[provider])
        except Exception as error:  # of a module of its own, one class for each way to be damaged
            raise InputError(f'{path} is damaged or not an ONNX file ({_first_line(error)}).') from error
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].shape[1] != 3:
            raise InputError(f'{path} does not map one RGB image to one: export a network with bsr export.')
        if any(isinstance(length, int) for length in inputs[0].shape[2:]):
            raise InputError(f'{path} takes images of one size only: export it with dynamic height and width.')
        self._input = inputs[0].name
        self._dtype = np.float16 if inputs[0].type == 'tensor(float16)' else np.float32
        self.reach, self._range = _of_bsrnet(path, self._session.get_modelmeta().custom_metadata_map)
        self.name = str(path)
        self.precision = f'{np.dtype(self._dtype)}, ONNX Runtime'
        self.scale = self._measured_scale(path)

    def __call__(self, image: Tensor) -> Tensor:
        """Upscales a batch.

        Raises:
            MemoryError: It does not fit in memory.
            InputError: The network cannot be run on it.
        """
        given = {self._input: (image * self._range).numpy().astype(self._dtype)}
        try:
            (result,) = self._session.run(None, given)
        except Exception as error:  # of a module of its own, one class for each way to fail
            if _NO_MEMORY in str(error):
                raise MemoryError(_first_line(error)) from error
            size = ' x '.join(map(str, image.shape[:1:-1]))
            raise InputError(f'{self.name} cannot be run on a tile of {size} pixels ({_first_line(error)}).') from error
        return torch.from_numpy(np.asarray(result, np.float32)) / self._range

    def _measured_scale(self, path: Path) -> int:
        """The whole number that the sides of all images are multiplied by."""
        try:
            shapes = {size: tuple(self(torch.zeros(1, 3, *size)).shape) for size in _TRIED}
        except Exception as error:  # of a module of its own, one class for each way to fail
            raise InputError(
                f'{path} cannot be run on an RGB image ({_first_line(error)}): export a network with bsr export.'
            ) from error
        scale = shapes[_TRIED[0]][-1] // _TRIED[0][-1]
        if scale < 1 or any(shape != (1, 3, scale * h, scale * w) for (h, w), shape in shapes.items()):
            raise InputError(
                f'{path} does not make an RGB image a whole number of times as large: export a network with bsr export.'
            )
        return scale


def _first_line(error: Exception) -> str:
    return str(error).partition('\n')[0]


def _of_bsrnet(path: Path, metadata: Mapping[str, str]) -> tuple[int | None, float]:
    """Receptive field and pixel value range of the BSRNet that a file says it holds; of any other, not known and 1."""
    try:
        told = json.loads(metadata.get('network_g', '{}'))
    except ValueError as error:
        raise InputError(f'{path} has damaged metadata (network_g: {error}): export the network again.') from error
    if not isinstance(told, dict) or told.pop('type', None) != 'BSRNet':
        return None, 1.0
    try:
        with torch.device('meta'):
            net = BSRNet(**told)
    except InputError as error:
        raise InputError(f'{path}: {error}') from error
    except TypeError as error:
        raise InputError(f'{path} was made by a later version of bsr_plugin: {error}') from error
    return net.receptive_field_radius, net.img_range
