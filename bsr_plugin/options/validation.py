"""``val``: when and how to validate or test, and what to measure."""

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from bsr_plugin.options.by_type import ByArguments, by_type
from bsr_plugin.options.registered import Kind
from bsr_plugin.options.section import LenientSection, Section
from bsr_plugin.options.values import Count, CountOrZero, PathComponent


class Fidelity(Section):
    """A metric that compares the result with the ground truth."""

    type: Literal['calculate_psnr', 'calculate_ssim', 'calculate_psnr_pt', 'calculate_ssim_pt']
    """BasicSR's function for PSNR in dB or for SSIM."""
    crop_border: CountOrZero
    """Pixels left out along every edge; the published protocol leaves out `scale`."""
    input_order: Literal['HWC', 'CHW'] = 'HWC'
    """Order of the axes; BasicSR's models hand over HWC."""
    test_y_channel: bool = False
    """Whether to compare the Y channel of YCbCr, as published tables do, or RGB."""
    better: Literal['higher', 'lower'] = 'higher'
    """Which values are the better ones."""


class OtherMetric(ByArguments):
    """Any other registered metric; its keys are the arguments of its function."""

    kind: ClassVar[Kind] = 'metric'
    type: str
    """Name of the function."""
    better: Literal['higher', 'lower'] = 'higher'
    """Which values are the better ones."""


_FIDELITY = dict.fromkeys(('calculate_psnr', 'calculate_ssim', 'calculate_psnr_pt', 'calculate_ssim_pt'), Fidelity)
Metric = Annotated[Section, BeforeValidator(by_type('metric', _FIDELITY, OtherMetric))]


class Evaluation(Section):
    """How a test runs."""

    save_img: bool
    """Whether the results are written as images."""
    suffix: PathComponent | None = None
    """Added to the names of saved images; ~ adds the name of the run."""
    metrics: Annotated[dict[str, Metric], Field(min_length=1)] | None = None
    """What to measure, each under a name of your choice."""
    pbar: bool = False
    """Whether to draw a progress bar."""
    tile: Count | None = None
    """BSRModel: side of the tiles that an image is cut into, in LR pixels, which bounds the memory; ~ takes whole
    images."""
    tile_overlap: CountOrZero | None = None
    """BSRModel: LR pixels by which a tile reaches into its neighbour, on each side; less than half a tile. ~ is 32, or
    a quarter of a small tile."""
    self_ensemble: bool = False
    """BSRModel: average the results of the image's 8 flips and rotations, which takes 8 times as long."""


class Validation(Evaluation):
    """How to validate or test, and what to measure."""

    val_freq: Count
    """For training: iterations from one validation to the next."""


class OtherEvaluation(Evaluation, LenientSection):
    """How a test of the toolbox's other models runs; they look up keys of their own."""


class OtherValidation(Validation, LenientSection):
    """How a training run of the toolbox's other models validates; they look up keys of their own."""
