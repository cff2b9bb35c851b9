"""Published small networks, trained on the same 291 images: quality and cost, at which a small BSR is held."""

import csv
from functools import cache
from importlib.resources import files

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

#: Pixels of the result that published multiply-adds are for, 1280x720.
_PIXELS = 1280 * 720


@dataclass(frozen=True)
class SmallNetwork:
    """A line of ``small_networks.csv``: one network on one set, bicubic degradation.

    Attributes:
        psnr: PSNR-Y in dB, as printed.
        parameters: Number of weights, in thousands as printed; ``None`` where it is not known for this scale.
        multi_adds: 10^9 multiply-accumulates for a result of 1280x720, as comparisons of small networks print them;
            ``None`` where they do not.
    """

    method: str
    scale: int
    dataset: str
    psnr: float
    parameters: int | None
    multi_adds: float | None

    @property
    def macs_per_pixel(self) -> float | None:
        """Multiply-accumulates for a pixel of the result."""
        return None if self.multi_adds is None else self.multi_adds * 1e9 / _PIXELS


@cache
def small_networks() -> tuple[SmallNetwork, ...]:
    """All lines, by network, scale and set."""
    text = files('bsr_plugin.report').joinpath('small_networks.csv').read_text(encoding='utf-8')
    lines = [{name: value or None for name, value in line.items()} for line in csv.DictReader(text.splitlines())]
    return TypeAdapter(tuple[SmallNetwork, ...]).validate_python(lines)


def small_network(method: str, scale: int) -> SmallNetwork | None:
    """One of the lines of a network at a scale, for its cost; ``None`` if it is not among them."""
    return next((each for each in small_networks() if (each.method, each.scale) == (method, scale)), None)
