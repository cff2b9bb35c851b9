"""``train``: optimizer, learning rate, losses, and what BSRModel adds to the loop."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from bsr_plugin.options.by_type import type_in
from bsr_plugin.options.losses import Loss
from bsr_plugin.options.section import LenientSection, Section
from bsr_plugin.options.values import Count, CountOrZero, Fraction, NotNegative, Positive, Whole


class Adam(Section):
    """The optimizer, with the arguments of torch.optim.Adam; the toolbox knows no other."""

    type: Literal['Adam']
    """The optimizer class."""
    lr: Positive
    """Learning rate at the start."""
    betas: list[Fraction] = Field([0.9, 0.999], min_length=2, max_length=2)
    """Decay rates of the running means of the gradient and of its square."""
    eps: Positive = 1e-8
    """Added to the denominator."""
    weight_decay: NotNegative = 0.0
    """L2 penalty on the weights."""
    amsgrad: bool = False
    """Whether the largest mean of squares so far is used."""


class MultiStepLR(Section):
    """Learning rate that falls in steps."""

    type: Literal['MultiStepLR', 'MultiStepRestartLR']
    """The scheduler class; the toolbox takes both names for the same."""
    milestones: list[CountOrZero]
    """Iterations at which the learning rate is multiplied by `gamma`."""
    gamma: Positive = 0.1
    """Factor at every milestone."""
    restarts: list[CountOrZero] = Field([0])
    """Iterations at which the learning rate starts again."""
    restart_weights: list[Positive] = Field([1.0])
    """Factor of the first learning rate at each restart, one number for each."""


class CosineAnnealing(Section):
    """Learning rate that falls along half a cosine, once or several times."""

    type: Literal['CosineAnnealingRestartLR']
    """The scheduler class."""
    periods: list[Count] = Field(min_length=1)
    """Iterations of each cosine; together at least `total_iter`."""
    restart_weights: list[Positive] = Field([1.0])
    """Factor of the first learning rate in each period, one number for each."""
    eta_min: NotNegative = 0.0
    """Learning rate at the end of each period."""


_SCHEDULERS: dict[str, type[Section]] = {
    'MultiStepLR': MultiStepLR,
    'MultiStepRestartLR': MultiStepLR,
    'CosineAnnealingRestartLR': CosineAnnealing,
}


def _optimizer(value: Any) -> Section:
    type_in(value, 'optimizer', ['Adam'])
    return Adam.model_validate(value)


def _scheduler(value: Any) -> Section:
    name = type_in(value, 'scheduler', list(_SCHEDULERS))
    return _SCHEDULERS[name].model_validate(value)


Optimizer = Annotated[Section, BeforeValidator(_optimizer)]
Scheduler = Annotated[Section, BeforeValidator(_scheduler)]


class Train(Section):
    """How SRModel and BSRModel train."""

    total_iter: Count
    """Iterations of the run."""
    warmup_iter: Annotated[Whole, Field(ge=-1)] = -1
    """Iterations in which the learning rate rises from 0; -1 for none."""
    optim_g: Optimizer
    """The optimizer."""
    scheduler: Scheduler
    """How the learning rate falls."""
    pixel_opt: Loss | None = None
    """The loss that compares pixels."""
    perceptual_opt: Loss | None = None
    """A loss that compares features of a classification network."""
    ema_decay: Fraction = 0.0
    """Decay of the running mean of the weights (EMA) that is validated and saved beside them; 0 for none. BSRModel
    warms it up, so that short runs validate sensibly."""
    amp: Literal['bf16', 'fp16'] | None = None
    """BSRModel: mixed precision; fp16 scales the loss; ~ is float32."""
    channels_last: bool = False
    """BSRModel: keep the images' channels together in memory, which most processors convolve faster."""
    compile: bool = False
    """BSRModel: compile the network with torch.compile, where that is possible."""
    fused: bool = False
    """BSRModel: update all weights in one kernel."""
    accumulate: Count = 1
    """BSRModel: number of equal parts that a batch is worked through in, one after the other, to need less memory; the
    gradient stays that of the whole batch."""
    grad_clip: Positive | None = None
    """BSRModel: largest norm of the gradient; longer ones are shortened to it; ~ for none."""


class OtherTrain(Train, LenientSection):
    """How the toolbox's other models train; they look up keys of their own."""

    optim_d: Optimizer | None = None
    """The discriminator's optimizer."""
    gan_opt: Loss | None = None
    """The adversarial loss."""
    ldl_opt: Loss | None = None
    """The loss of locally discriminative learning."""
