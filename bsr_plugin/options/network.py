"""``network_g``: BSRNet argument by argument, every other registered network by its signature."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from bsr_plugin.options.by_type import ByArguments, by_type
from bsr_plugin.options.registered import Kind
from bsr_plugin.options.section import Section
from bsr_plugin.options.values import Count, Positive, number, whole_number


def _one_or_several(value: Any) -> float | list[float]:
    return [number(each) for each in value] if isinstance(value, list) else number(value)


class BSRNetOptions(Section):
    """BSRNet (section III-C of the paper)."""

    type: Literal['BSRNet']
    """The network class."""
    num_in_ch: Count = 3
    """Channels of the input: 3 for RGB."""
    num_out_ch: Count = 3
    """Channels of the output: 3 for RGB."""
    num_feat: Count = 64
    """Channels of the features F_i."""
    num_group: Count = 10
    """Number of feature mapping groups (FMGs)."""
    num_block: Count = 12
    """Number of residual blocks (RBs) in each FMG."""
    upscale: Annotated[Literal[2, 3, 4, 8], BeforeValidator(whole_number)] = 4
    """Factor from LR to HR; the same number as `scale`."""
    skip_connections: bool = True
    """Whether every FMG's output reaches the reconstruction; false is the ablation "w/o SC"."""
    attention: Literal['spatial', 'scalar', 'none'] = 'spatial'
    """Weight of an FMG's output: a map, one number, or 1."""
    img_range: Positive = 1.0
    """Value of white in the images; BasicSR's data sets give 1."""
    rgb_mean: Annotated[float | list[float], BeforeValidator(_one_or_several)] = Field([0.4488, 0.4371, 0.4040])
    """Mean colour in [0, 1], taken off before the first convolution; one number for each channel, or one for all."""


class OtherNetwork(ByArguments):
    """Any other registered network; its keys are the arguments of its class."""

    kind: ClassVar[Kind] = 'network'
    type: str
    """Name of the class."""


Network = Annotated[Section, BeforeValidator(by_type('network', {'BSRNet': BSRNetOptions}, OtherNetwork))]
