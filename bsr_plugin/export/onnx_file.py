"""ONNX with dynamic batch size, height and width: (N, C, H, W) to (N, C, s * H, s * W), both in [0, img_range]."""

import importlib.util
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from bsr_plugin.archs.bsr_arch import BSRNet
from bsr_plugin.errors import InputError
from bsr_plugin.export.sizes import EXAMPLE_SIZE, dynamic_shapes
from bsr_plugin.weights.about import WeightsMetadata

#: ONNX Runtime of 2023 and later reads it.
OPSET = 18
INPUT, OUTPUT = 'input', 'output'
_NEEDED = ('onnx', 'onnxruntime', 'onnxscript')


def check_installed() -> None:
    """Raises ``InputError`` if a package that ONNX needs is not installed."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"ONNX needs {', '.join(missing)}: pip install -e '.[export]' in the clone.")


def encode(network: BSRNet, about: WeightsMetadata) -> bytes:
    """The file's content; input and output have the type of the weights.

    Raises:
        InputError: A package that this needs is not installed.
    """
    check_installed()
    example = torch.zeros(EXAMPLE_SIZE[0], network.num_in_ch, *EXAMPLE_SIZE[1:], dtype=network.conv_first.weight.dtype)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of the exporter about itself
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=dynamic_shapes(),
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise RuntimeError('torch.onnx.export gave no program.')
    model: Any = program.model_proto
    _forget_sources(model)
    model.producer_name = 'bsr_plugin'
    model.doc_string = f'BSR x{about.scale}: NCHW, RGB in [0, {network.img_range:g}], output not clipped.'
    for name, value in about.header().items():
        model.metadata_props.add(key=name, value=value)
    return model.SerializeToString()


def run(content: bytes) -> Callable[[Tensor], Tensor]:
    """The network in a file, computed by ONNX Runtime on the CPU: float32 in and out, whatever the file's own type."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(content, options, providers=['CPUExecutionProvider'])
    dtype = torch.float16 if session.get_inputs()[0].type == 'tensor(float16)' else torch.float32
    return lambda image: torch.from_numpy(session.run([OUTPUT], {INPUT: image.to(dtype).numpy()})[0]).float()


def read_header(content: bytes) -> dict[str, str]:
    """The metadata of a file."""
    import onnx

    return {entry.key: entry.value for entry in onnx.load_model_from_string(content).metadata_props}


def _forget_sources(model: Any) -> None:
    """Removes the lines of source code, and their paths on this machine, that the exporter notes at every node."""
    for noted in (model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        del noted.metadata_props[:]
