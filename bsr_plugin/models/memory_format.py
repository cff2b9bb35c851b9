"""The memory format channels_last (NHWC), which most processors convolve faster."""

import torch
from torch import nn


def to_channels_last(net: nn.Module) -> None:
    """Converts the 4-D weights to channels_last (NHWC).

    ``Module.to`` would also give a buffer of one pixel, such as a mean colour, strides that
    ``DistributedDataParallel`` takes for overlapping memory.
    """
    for weight in net.parameters():
        if weight.dim() == 4:
            weight.data = weight.data.to(memory_format=torch.channels_last)
