"""``train``: optimizer, learning rate, losses, and what BSRModel adds to the loop."""

from typing import Annotated, ClassVar

from pydantic import Field

from bsr_plugin.models.engine_options import EngineTraining
from bsr_plugin.options.classes import Loss, Optimizer, Scheduler
from bsr_plugin.options.section import Section
from bsr_plugin.options.values import Count, Fraction, Whole


class Train(EngineTraining, Section):
    """How SRModel and BSRModel train."""

    read_by_model: ClassVar[bool] = True
    total_iter: Count
    """Iterations of the run."""
    warmup_iter: Annotated[Whole, Field(ge=-1)] = -1
    """Iterations in which the learning rate rises from 0; -1 for none."""
    optim_g: Optimizer
    """The optimizer."""
    scheduler: Scheduler
    """The learning rate schedule."""
    pixel_opt: Loss | None = None
    """The loss that compares pixels."""
    perceptual_opt: Loss | None = None
    """A loss that compares features of a classification network."""
    ema_decay: Fraction = 0.0
    """Decay of the exponential moving average (EMA) of the weights, which is validated and saved beside them; 0 for
    none. BSRModel warms it up, so that short runs validate sensibly."""


class OtherTrain(Train):
    """How the toolbox's other models train; they look up keys of their own."""

    optim_d: Optimizer | None = None
    """The discriminator's optimizer."""
    gan_opt: Loss | None = None
    """The adversarial loss."""
    ldl_opt: Loss | None = None
    """The loss of locally discriminative learning."""
