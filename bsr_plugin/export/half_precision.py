"""float16 weights: half the size, where they cost next to nothing in PSNR."""

import copy
from collections.abc import Iterable

import numpy as np
import torch
from basicsr.metrics import calculate_psnr
from numpy.typing import NDArray

from bsr_plugin.archs.bsr_arch import BSRNet
from bsr_plugin.data.degradation import Degradation, crop_to_multiple, degrade
from bsr_plugin.errors import InputError

#: In dB, of a single image.
LARGEST_LOSS = 0.005


def half(network: BSRNet) -> BSRNet:
    """A copy with all weights, and the mean colour, in float16.

    Raises:
        InputError: A weight is too large for it.
    """
    copied = copy.deepcopy(network).half()
    too_large = [name for name, value in copied.state_dict().items() if not bool(torch.isfinite(value).all())]
    if too_large:
        raise InputError(f'{too_large[0]} has weights beyond the range of float16: export in float32.')
    return copied


def rounded_to_half(network: BSRNet) -> BSRNet:
    """A float32 copy whose weights are those of a float16 file.

    Raises:
        InputError: A weight is too large for float16.
    """
    copied = copy.deepcopy(network)
    copied.load_state_dict(half(network).state_dict())
    return copied


def largest_loss(network: BSRNet, images: Iterable[NDArray[np.uint8]], degradation: Degradation) -> float:
    """The largest loss of PSNR-Y, in dB, that float16 weights cause on an image; 0 where they cause none.

    Args:
        network: RGB, float32, in eval mode.
        images: HR images, (H, W, 3) BGR.
        degradation: How their LR images are made.
    """
    rounded = rounded_to_half(network)
    ours, theirs = network.state_dict(), rounded.state_dict()
    if all(torch.equal(value, theirs[name]) for name, value in ours.items()):
        return 0.0
    losses = [0.0]
    for image in images:
        hr = crop_to_multiple(image, network.upscale)
        lr = degrade(np.ascontiguousarray(hr), network.upscale, degradation)
        whole, less = (_psnr_y(_upscaled(each, lr), hr, network.upscale) for each in (network, rounded))
        losses.append(whole - less)
    return max(losses)


def _upscaled(network: BSRNet, lr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    rgb = torch.from_numpy(np.ascontiguousarray(lr[..., ::-1].transpose(2, 0, 1))).float()
    with torch.inference_mode():
        output = network(rgb[None] * (network.img_range / 255))[0] * (255 / network.img_range)
    return output.clamp(0, 255).round().byte().numpy().transpose(1, 2, 0)[..., ::-1]


def _psnr_y(image: NDArray[np.uint8], hr: NDArray[np.uint8], border: int) -> float:
    return float(calculate_psnr(image, hr, crop_border=border, test_y_channel=True))
