"""``.pt2``: the network as a program of ``torch.export``, which needs neither this package nor the toolbox to run."""

import io
import json
import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from bsr_plugin.archs.bsr_arch import BSRNet
from bsr_plugin.export.sizes import EXAMPLE_SIZE, dynamic_shapes
from bsr_plugin.weights.about import WeightsMetadata

#: The file inside the archive that holds the metadata: ``torch.export.load(file, extra_files={'about.json': ''})``.
ABOUT_FILE = 'about.json'


def encode(network: BSRNet, about: WeightsMetadata) -> bytes:
    """The file's content; input and output have the type of the weights."""
    example = torch.zeros(EXAMPLE_SIZE[0], network.num_in_ch, *EXAMPLE_SIZE[1:], dtype=network.conv_first.weight.dtype)
    program = torch.export.export(network, (example,), dynamic_shapes=dynamic_shapes())
    for node in program.graph.nodes:
        node.meta.pop('stack_trace', None)  # paths on this machine
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of the serialization about itself
        torch.export.save(program, buffer, extra_files={ABOUT_FILE: json.dumps(about.header())})
    return buffer.getvalue()


def run(content: bytes) -> Callable[[Tensor], Tensor]:
    """The network in a file: float32 in and out, whatever the file's own type."""
    program = torch.export.load(io.BytesIO(content))
    dtype = next(iter(program.state_dict.values())).dtype
    module = program.module()
    return lambda image: module(image.to(dtype)).float()


def read_header(content: bytes) -> dict[str, str]:
    """The metadata of a file."""
    files = {ABOUT_FILE: ''}
    torch.export.load(io.BytesIO(content), extra_files=files)
    return json.loads(files[ABOUT_FILE])
