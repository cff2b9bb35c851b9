"""The paper's bicubic row: what interpolation alone achieves (tables 2 and 3)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bsr_plugin.data.degradation import (
    Degradation,
    blur_down_float,
    crop_to_multiple,
    imresize_float,
    round_to_uint8,
)
from bsr_plugin.data.image_file import list_images, read_image
from bsr_plugin.errors import InputError
from bsr_plugin.parallel import ordered_map
from bsr_plugin.progress import progress

#: BT.601 luma of RGB in grey levels, 16 to 235, as MATLAB's ``rgb2ycbcr``; for BGR pixels.
_LUMA_BGR = np.array([24.966, 128.553, 65.481]) / 255
_LUMA_OFFSET = 16.0


@dataclass(frozen=True)
class Quality:
    """Y-channel quality of an image or the mean over several.

    Attributes:
        psnr_y: Peak signal-to-noise ratio in dB, peak 255.
        ssim_y: Structural similarity.
    """

    psnr_y: float
    ssim_y: float


@dataclass(frozen=True)
class Baseline:
    """Bicubic interpolation measured on a folder of images.

    Attributes:
        images: Name -> quality, in order of names.
        mean: Mean over the images.
    """

    images: dict[str, Quality]
    mean: Quality


def bicubic_baseline(folder: Path, scale: int, degradation: Degradation = 'bicubic') -> Baseline:
    """Degrades and interpolates every image of a folder on the paper's protocol.

    The Y channel of the uint8 RGB image, rounded to uint8, is degraded and brought back to its size by MATLAB's
    bicubic interpolation, in floating point with nothing rounded between; the result is rounded to uint8, ``scale``
    pixels are cut off on all sides, and PSNR and SSIM compare it with the original Y.

    Args:
        folder: HR images.
        scale: Factor; images are cut to a multiple of it.
        degradation: ``bicubic`` (table 2) or ``blur-down`` (table 3).

    Raises:
        InputError: The folder, an image or the scale is unfit.
    """
    if scale < 2:
        raise InputError(f'The scale is {scale}: use 2 or more.')
    files = list_images(folder)
    measured = ordered_map(lambda file: interpolation_quality(read_image(file), scale, degradation, str(file)), files)
    qualities = list(progress(measured, total=len(files), label='Bicubic', unit='image'))
    images = {file.stem: quality for file, quality in zip(files, qualities, strict=True)}
    return Baseline(images, mean_quality(qualities))


def interpolation_quality(image: NDArray[np.uint8], scale: int, degradation: Degradation, name: str) -> Quality:
    """Quality of one image, (H, W, 3) BGR uint8, after degradation and bicubic interpolation.

    Raises:
        InputError: The image is too small for the SSIM window of 11 pixels once its border is cut off.
    """
    from basicsr.metrics import calculate_psnr, calculate_ssim

    luma = luma_uint8(crop_to_multiple(image, scale)).astype(np.float64)
    height, width = luma.shape
    if min(height, width) < 11 + 2 * scale:
        raise InputError(f'{name} is {image.shape[0]}x{image.shape[1]}, too small to be measured at scale {scale}.')
    small = (
        imresize_float(luma, height // scale, width // scale)
        if degradation == 'bicubic'
        else blur_down_float(luma, scale)
    )
    result = round_to_uint8(imresize_float(small, height, width))[..., None]
    truth = luma.astype(np.uint8)[..., None]
    return Quality(
        psnr_y=float(calculate_psnr(result, truth, crop_border=scale)),
        ssim_y=float(calculate_ssim(result, truth, crop_border=scale)),
    )


def luma_uint8(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Y of YCbCr, rounded, of an (H, W, 3) BGR image."""
    return round_to_uint8(image.astype(np.float64) @ _LUMA_BGR + _LUMA_OFFSET)


def mean_quality(qualities: list[Quality]) -> Quality:
    """Mean of both figures."""
    return Quality(
        psnr_y=float(np.mean([quality.psnr_y for quality in qualities])),
        ssim_y=float(np.mean([quality.ssim_y for quality in qualities])),
    )
