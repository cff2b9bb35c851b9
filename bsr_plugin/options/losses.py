"""``train.pixel_opt`` and the like: the hybrid loss term by term, every other registered loss by its signature."""

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from bsr_plugin.options.by_type import ByArguments, by_type
from bsr_plugin.options.registered import Kind
from bsr_plugin.options.section import Section
from bsr_plugin.options.values import NotNegative, Positive, Real


class HybridLossOptions(Section):
    """HybridL1L2LpLoss: l2_weight * L2 + l1_weight * L1 + lp_weight * Lp (section III-D of the paper)."""

    type: Literal['HybridL1L2LpLoss']
    """The loss class."""
    loss_weight: Positive = 1.0
    """Factor of the whole loss."""
    l2_weight: NotNegative = 1.0
    """Factor of L2, the mean of d^2, d being the difference of the images; 0 leaves the term out."""
    l1_weight: NotNegative = 0.1
    """Factor of L1, the mean of abs(d); 0 leaves the term out."""
    lp_weight: NotNegative = 0.01
    """Factor of Lp, the mean of (d^2 + eps^2)^(p/2) - eps^p; 0 leaves the term out."""
    p: Annotated[Real, Field(gt=0, le=1)] = 0.5
    """Exponent of Lp."""
    eps: Annotated[Real, Field(ge=1e-12)] = 1e-3
    """Differences well below it count as in L2, so that the gradient of Lp is bounded."""
    reduction: Literal['none', 'mean', 'sum'] = 'mean'
    """How the values of all pixels become one; training needs mean or sum."""


class OtherLoss(ByArguments):
    """Any other registered loss; its keys are the arguments of its class."""

    kind: ClassVar[Kind] = 'loss'
    type: str
    """Name of the class."""


Loss = Annotated[Section, BeforeValidator(by_type('loss', {'HybridL1L2LpLoss': HybridLossOptions}, OtherLoss))]
