"""The network; importing this package registers it with BasicSR."""

from bsr_plugin.archs.bsr_arch import BSRNet

__all__ = ['BSRNet']
