"""``val``: when and how to validate or test, and what to measure."""

from typing import Annotated, ClassVar

from pydantic import Field

from bsr_plugin.models.engine_options import EngineValidation
from bsr_plugin.options.classes import Metric
from bsr_plugin.options.section import Section
from bsr_plugin.options.values import Count, PathComponent


class Evaluation(EngineValidation, Section):
    """How a test runs."""

    read_by_model: ClassVar[bool] = True
    save_img: bool
    """Whether the results are written as images."""
    suffix: PathComponent | None = None
    """Added to the names of saved images; ~ adds the name of the run."""
    metrics: Annotated[dict[str, Metric], Field(min_length=1)] | None = None
    """What to measure, each under a name of your choice."""
    pbar: bool = False
    """Whether to draw a progress bar."""


class Validation(Evaluation):
    """How to validate or test, and what to measure."""

    val_freq: Count
    """For training: iterations from one validation to the next."""
