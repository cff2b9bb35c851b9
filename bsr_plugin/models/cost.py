"""What a network costs: multiply-accumulates per output pixel, whatever network it is."""

import copy

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

#: Side in pixels of the input that is counted, a multiple of every window there is.
_SIDE = 64


def macs_per_pixel(network: nn.Module, channels: int = 3) -> float:
    """Multiply-accumulates of convolutions, matrix products and attention for a pixel of the result.

    PyTorch counts them on the meta device, where shapes are known and nothing is computed. Biases, activations and sums
    are not among them, as in published figures ("Multi-Adds").

    Args:
        network: (N, ``channels``, H, W) to (N, C, s * H, s * W); it is not changed.
        channels: Channels of its input.
    """
    without_memory = copy.deepcopy(network).to('meta')
    if isinstance(mean := getattr(without_memory, 'mean', None), Tensor):
        without_memory.mean = mean.to('meta')  # EDSR's is no buffer
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        result = without_memory(torch.empty(1, channels, _SIDE, _SIDE, device='meta'))
    return float(counter.get_total_flops() / 2 / (result.shape[-1] * result.shape[-2]))
