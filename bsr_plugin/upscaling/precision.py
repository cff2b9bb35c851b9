"""What bf16 costs: the PSNR that a network loses by it on a photograph."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from bsr_plugin.data.degradation import crop_to_multiple, degrade

#: dB of PSNR; what loses less is as good as float32.
LARGEST_LOSS = 0.01
#: Side of the part of the photograph, which is cropped to a multiple of the scale.
_SIDE = 192


def loss_of_bf16(float32: Callable[[Tensor], Tensor], bf16: Callable[[Tensor], Tensor], scale: int) -> float:
    """PSNR of a network in float32 minus that of the same network in bf16, in dB.

    Both upscale the same bicubic LR image of a photograph that scikit-image ships, so the answer depends on nothing
    but the network and the device.
    """
    import skimage.data

    hr = np.ascontiguousarray(crop_to_multiple(skimage.data.astronaut()[:_SIDE, 128 : 128 + _SIDE], scale))
    lr, target = (
        torch.from_numpy(image).movedim(-1, 0)[None].float() / 255 for image in (degrade(hr, scale, 'bicubic'), hr)
    )
    errors = [float(torch.mean((network(lr).clamp(0, 1) - target).double() ** 2)) for network in (float32, bf16)]
    return 10 * float(np.log10(errors[1] / errors[0]))
