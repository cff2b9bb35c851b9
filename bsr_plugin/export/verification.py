"""Is an exported file the network? Its outputs beside those of PyTorch in float32, on odd sizes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from bsr_plugin.archs.bsr_arch import BSRNet
from bsr_plugin.errors import InputError
from bsr_plugin.export.sizes import ODD_SIZES
from bsr_plugin.weights.about import Precision

#: Largest difference in float32, and in float16 that of 99.9 % of all values, in grey levels (1/255 of the range).
FLOAT32_LIMIT, FLOAT16_LIMIT, FLOAT16_SHARE = 1.0, 0.5, 0.999


@dataclass(frozen=True)
class Difference:
    """How far outputs are from those of PyTorch in float32, in grey levels (1/255 of the range).

    Attributes:
        largest: The largest difference of a value.
        most: 99.9 % of the values differ by no more.
    """

    largest: float
    most: float

    def check(self, path: Path, precision: Precision) -> None:
        """Raises ``InputError`` if a file of this precision must not differ so much."""
        found, limit = (self.largest, FLOAT32_LIMIT) if precision == 'float32' else (self.most, FLOAT16_LIMIT)
        if not found < limit:
            fix = 'export it with --no-half' if precision == 'float16' else 'the exporter is at fault'
            raise InputError(
                f'{path} was not written: its output would differ from the network by {found:.3g} grey levels, '
                f'{limit:g} or more: {fix}.'
            )


def difference(network: BSRNet, exported: Callable[[Tensor], Tensor]) -> Difference:
    """Compares on images of noise, the same in every call.

    Args:
        network: The network, float32, in eval mode.
        exported: What was exported, as a function of float32 images.

    Raises:
        RuntimeError: It gives an image of another size.
    """
    generator = torch.Generator().manual_seed(0)
    found = []
    for batch, height, width in ODD_SIZES:
        noise = torch.rand(batch, network.num_in_ch, height, width, generator=generator) * network.img_range
        with torch.inference_mode():
            expected, output = network(noise), exported(noise)
        if output.shape != expected.shape:
            raise RuntimeError(f'{height}x{width} gives {list(output.shape)} instead of {list(expected.shape)}.')
        found.append((output - expected).abs().flatten() * (255 / network.img_range))
    values = torch.cat(found).nan_to_num(nan=torch.inf)
    return Difference(values.max().item(), values.kthvalue(int(FLOAT16_SHARE * values.numel())).values.item())
