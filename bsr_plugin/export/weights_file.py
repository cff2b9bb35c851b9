"""safetensors: the weights and what they are, for this package, spandrel and whatever else reads state dicts."""

from pathlib import Path

from bsr_plugin.archs.bsr_arch import BSRNet
from bsr_plugin.models import safetensors_file
from bsr_plugin.models.load_network import bsrnet_in
from bsr_plugin.models.weights import open_safetensors
from bsr_plugin.weights.about import WeightsMetadata


def encode(network: BSRNet, about: WeightsMetadata) -> bytes:
    """The file's content; its weights have the type of the network's."""
    return safetensors_file.encode(network.state_dict(), about.header())


def open_network(path: Path) -> BSRNet:
    """The network in a file, float32, whatever the file's own type and name."""
    return bsrnet_in(open_safetensors(path))
