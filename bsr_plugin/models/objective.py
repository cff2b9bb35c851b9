"""The objective that a training minimizes, for a micro-batch."""

from torch import Tensor, nn

from bsr_plugin.models.gradient_step import share_of_batch
from bsr_plugin.models.sample_weighting import SampleWeighting


class Objective:
    """The sum of the pixel loss and the perceptual loss, and each of their terms.

    Args:
        pixel: The pixel loss; ``None`` for none.
        perceptual: The perceptual loss, which gives itself and the style loss; ``None`` for none.

    Attributes:
        weighting: Weights the pixel loss of every sample, for importance sampling; ``None`` where samples count alike.
    """

    def __init__(self, pixel: nn.Module | None, perceptual: nn.Module | None) -> None:
        self._pixel, self._perceptual = pixel, perceptual
        self.weighting: SampleWeighting | None = None

    def __call__(
        self, output: Tensor, gt: Tensor, share: float, weights: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """What a micro-batch adds to the objective of its batch.

        Args:
            output: (N, C, H, W) network output, float32.
            gt: Ground truth, the same shape.
            share: Size of the micro-batch over that of the batch.
            weights: (N,) weight of each sample, with ``weighting``.

        Returns:
            The loss to differentiate, and all terms by the names under which they are logged.
        """
        totals: dict[str, Tensor] = {}
        terms: dict[str, Tensor] = {}
        if self._pixel:
            terms = self._pixel_terms(self._pixel, output, gt, weights)
            totals = share_of_batch({'l_pix': _sum(terms)}, share, self._pixel)
            terms = share_of_batch(terms, share, self._pixel)
        if self._perceptual:
            perceptual = zip(('l_percep', 'l_style'), self._perceptual(output, gt), strict=True)
            values = {name: value for name, value in perceptual if value is not None}
            totals |= share_of_batch(values, share, self._perceptual)
        return _sum(totals), {**totals, **terms}

    def _pixel_terms(self, loss: nn.Module, output: Tensor, gt: Tensor, weights: Tensor | None) -> dict[str, Tensor]:
        """The pixel loss by term; ``l_pix`` where it has only one."""
        if self.weighting and weights is not None:
            return self.weighting.terms(output, gt, weights)
        by_term = getattr(loss, 'terms', None)
        return by_term(output, gt) if by_term else {'l_pix': loss(output, gt)}


def _sum(terms: dict[str, Tensor]) -> Tensor:
    first, *others = terms.values()
    return sum(others, start=first)
