"""The paper's bicubic row: what interpolation alone achieves (tables 2 and 3)."""

from collections.abc import Collection
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bsr_plugin.data.degradation import (
    Degradation,
    blur_down_float,
    crop_to_multiple,
    degrade,
    imresize_float,
    round_to_uint8,
)
from bsr_plugin.data.image_file import list_images, read_image
from bsr_plugin.data.pairs import Names, check_unique
from bsr_plugin.errors import InputError
from bsr_plugin.parallel import ordered_map
from bsr_plugin.progress import progress

Image = NDArray[np.uint8]

#: BT.601 luma of RGB in grey levels, 16 to 235, as MATLAB's ``rgb2ycbcr``; for BGR pixels.
_LUMA_BGR = np.array([24.966, 128.553, 65.481]) / 255
_LUMA_OFFSET = 16.0


@dataclass(frozen=True)
class Quality:
    """Y-channel quality of an image or the mean over several.

    Attributes:
        psnr_y: Peak signal-to-noise ratio in dB, peak 255.
        ssim_y: Structural similarity.
        lr_difference: Mean absolute difference, in grey levels, of an LR image that was given from the one that the
            degradation makes; 0 if it was made.
    """

    psnr_y: float
    ssim_y: float
    lr_difference: float = 0.0


def bicubic_baseline(folder: Path, scale: int, degradation: Degradation = 'bicubic') -> dict[str, Quality]:
    """Degrades and interpolates every image of a folder on the paper's protocol.

    The Y channel of the uint8 RGB image, rounded to uint8, is degraded and brought back to its size by MATLAB's
    bicubic interpolation, in floating point with nothing rounded between; the result is rounded to uint8, ``scale``
    pixels are cut off on all sides, and PSNR and SSIM compare it with the original Y.

    Images are cut to a multiple of the scale; ``degradation`` is ``bicubic`` (table 2) or ``blur-down`` (table 3).

    Returns:
        Name of the image -> quality, in order of names.

    Raises:
        InputError: The folder, an image or the scale is unfit.
    """
    if scale < 2:
        raise InputError(f'The scale is {scale}: use 2 or more.')
    files = list_named(folder)
    measured = ordered_map(lambda file: interpolation_quality(read_image(file), scale, degradation, str(file)), files)
    qualities = progress(measured, total=len(files), label='Bicubic', unit='image')
    return {file.stem: quality for file, quality in zip(files, qualities, strict=True)}


def list_named(folder: Path) -> list[Path]:
    """The image files in a folder; ``InputError`` if there is none, or two of them have one name."""
    files = list_images(folder)
    check_unique(Names(folder, [file.stem for file in files]))
    return files


def interpolation_quality(
    image: Image, scale: int, degradation: Degradation, name: str, lr: Image | None = None
) -> Quality:
    """Quality of bicubic interpolation, on the paper's protocol, for one HR image, (H, W, 3) BGR uint8.

    Args:
        image: HR image; it is cut to a multiple of the scale.
        scale: Factor.
        degradation: How its LR image was made.
        name: What to call the image in an error.
        lr: The LR image that was given, (H / scale, W / scale, 3). If it is not what ``degradation`` makes of the HR
            image, its own Y channel is interpolated.

    Raises:
        InputError: The image is too small for the SSIM window of 11 pixels once its border is cut off.
    """
    from basicsr.metrics import calculate_psnr, calculate_ssim

    image = crop_to_multiple(image, scale)
    height, width = image.shape[:2]
    if min(height, width) < 11 + 2 * scale:
        raise InputError(f'{name} is {height}x{width}, too small to be measured at scale {scale}.')
    truth = luma_uint8(image)
    difference = 0.0 if lr is None else float(np.abs(degrade(image, scale, degradation) - lr.astype(float)).mean())
    if lr is not None and difference:
        small = _luma(lr)
    elif degradation == 'bicubic':
        small = imresize_float(truth.astype(np.float64), height // scale, width // scale)
    else:
        small = blur_down_float(truth.astype(np.float64), scale)
    pair = round_to_uint8(imresize_float(small, height, width))[..., None], truth[..., None]
    psnr, ssim = (float(metric(*pair, crop_border=scale)) for metric in (calculate_psnr, calculate_ssim))
    return Quality(psnr, ssim, difference)


def luma_uint8(image: Image) -> Image:
    """Y of YCbCr, rounded, of an (H, W, 3) BGR image."""
    return round_to_uint8(_luma(image))


def _luma(image: Image) -> NDArray[np.float64]:
    return image.astype(np.float64) @ _LUMA_BGR + _LUMA_OFFSET


def mean_quality(qualities: Collection[Quality]) -> Quality:
    """Mean of all figures."""
    return Quality(*np.mean([astuple(quality) for quality in qualities], axis=0).tolist())
