"""The loss; importing this package registers it with BasicSR."""

from bsr_plugin.losses.hybrid_loss import HybridL1L2LpLoss

__all__ = ['HybridL1L2LpLoss']
