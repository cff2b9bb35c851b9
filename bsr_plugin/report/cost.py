"""What the networks in a report cost: their weights, and multiply-accumulates for a pixel of the result."""

from contextlib import suppress
from dataclasses import dataclass

from bsr_plugin.errors import InputError
from bsr_plugin.evaluation.results import RunResult
from bsr_plugin.models.cost import macs_per_pixel
from bsr_plugin.report.small_networks import small_network


@dataclass(frozen=True)
class Cost:
    """Number of weights, and multiply-accumulates per output pixel; ``None`` where that is not known."""

    parameters: int | None = None
    macs_per_pixel: float | None = None

    @property
    def texts(self) -> tuple[str, str]:
        """Both as tables print them; nothing where there is none."""
        return in_thousands(self.parameters), in_thousands(self.macs_per_pixel)


UNKNOWN = Cost()

#: Heads of columns with a cost.
COST_HEADS = ('Parameters', 'MACs per pixel')


def in_thousands(value: float | None) -> str:
    """A cost in thousands, such as ``665 K``; nothing where there is none."""
    if value is None:
        return ''
    return f'{value / 1e3:,.{0 if value >= 1e5 else 1}f} K'


def cost_of_run(run: RunResult) -> Cost:
    """What the network of a test run costs; of one that cannot be made here again, only the weights are known."""
    from basicsr.archs import build_network

    macs = None
    # The registry has no such class, or the class takes other arguments, or something else than images of any size.
    with suppress(AssertionError, KeyError, RuntimeError, TypeError, ValueError, InputError):
        macs = macs_per_pixel(build_network(dict(run.network)), int(run.network.get('num_in_ch', 3)))
    return Cost(run.parameters, macs)


def published_cost(method: str, scale: int) -> Cost:
    """What a published network costs, if it is one of the small ones."""
    known = small_network(method, scale)
    return UNKNOWN if known is None else Cost(known.parameters, known.macs_per_pixel)
