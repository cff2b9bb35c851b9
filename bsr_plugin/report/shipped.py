"""The networks that ship with this package, with the scores in the headers of their files."""

from collections.abc import Mapping
from dataclasses import dataclass

from bsr_plugin.data.degradation import Degradation
from bsr_plugin.models.cost import macs_per_pixel
from bsr_plugin.models.load_network import bsrnet_in
from bsr_plugin.models.weights import open_weights
from bsr_plugin.report.cost import Cost
from bsr_plugin.weights import names, weights_file
from bsr_plugin.weights.about import Score, WeightsMetadata


@dataclass(frozen=True)
class ShippedModel:
    """A network that ships.

    Attributes:
        method: What tables call it.
        degradation: How the LR images of its tests were made; ``None`` where the file does not tell.
        scores: Test set -> ``psnr_y``, ``ssim_y`` or ``psnr_rgb`` -> score.
        cost: What it costs.
    """

    method: str
    scale: int
    degradation: Degradation | None
    scores: Mapping[str, Mapping[str, Score]]
    cost: Cost


def shipped_models() -> list[ShippedModel]:
    """Those of this installation, which may be none.

    Raises:
        InputError: A file is damaged.
    """
    return [_model(name) for name in names()]


def _model(name: str) -> ShippedModel:
    file = open_weights(weights_file(name))
    network = bsrnet_in(file)
    about = WeightsMetadata.of(file, network)
    cost = Cost(about.parameters, macs_per_pixel(network, network.num_in_ch))
    return ShippedModel(f'BSR {name}, shipped', about.scale, about.degradation, about.scores, cost)
