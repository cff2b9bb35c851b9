"""Test results beside bicubic interpolation of the same LR images."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bsr_plugin.data.degradation import Degradation, crop_to_multiple, degrade, imresize
from bsr_plugin.data.image_file import list_images, read_image
from bsr_plugin.errors import InputError

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Comparison:
    """One image, three ways, each (H, W, 3) BGR uint8, and what the two reconstructions achieve.

    Attributes:
        name: Name of the HR image.
        bicubic: MATLAB's bicubic interpolation of the LR image.
        result: What the network made of it.
        truth: The HR image, cut to a multiple of the scale.
        bicubic_psnr: PSNR-Y of ``bicubic`` in dB.
        result_psnr: PSNR-Y of ``result`` in dB.
    """

    name: str
    bicubic: Image
    result: Image
    truth: Image
    bicubic_psnr: float
    result_psnr: float


def compare_with_bicubic(
    results: Path, hr_folder: Path, scale: int, degradation: Degradation = 'bicubic'
) -> list[Comparison]:
    """Compares every picture a test run saved with interpolation, both by BasicSR's PSNR on the Y channel.

    Args:
        results: Folder of saved pictures, ``results/<name>/visualization/<data set>``; BasicSR appends the name of
            the run to that of the image.
        hr_folder: The HR images.
        scale: Factor; ``scale`` pixels are cut off on all sides before measuring.
        degradation: How the LR images were made.

    Raises:
        InputError: An HR image has no result, or one of another size.
    """
    from basicsr.metrics import calculate_psnr

    pictures = {file.stem: file for file in list_images(results)}
    comparisons = []
    for file in list_images(hr_folder):
        truth = crop_to_multiple(read_image(file), scale)
        result = read_image(_picture_of(file.stem, pictures, results))
        if result.shape != truth.shape:
            raise InputError(f'{results} has {file.stem} at {_size(result)}, its HR image is {_size(truth)}.')
        bicubic = imresize(degrade(truth, scale, degradation), *truth.shape[:2])
        psnrs = [
            float(calculate_psnr(image, truth, crop_border=scale, test_y_channel=True)) for image in (bicubic, result)
        ]
        comparisons.append(Comparison(file.stem, bicubic, result, truth, *psnrs))
    return comparisons


def _picture_of(name: str, pictures: dict[str, Path], folder: Path) -> Path:
    found = [file for stem, file in pictures.items() if stem == name or stem.startswith(f'{name}_')]
    if not found:
        raise InputError(f'{folder} has no result for {name}: run basicsr/test.py with save_img: true.')
    return min(found, key=lambda file: len(file.stem))


def _size(image: Image) -> str:
    return f'{image.shape[0]}x{image.shape[1]}'
