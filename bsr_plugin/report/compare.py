"""Pictures of any test run beside bicubic interpolation of the same LR images."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from bsr_plugin.data.degradation import Degradation, crop_to_multiple, degrade, imresize
from bsr_plugin.data.image_file import read_image
from bsr_plugin.errors import InputError
from bsr_plugin.report.bicubic import Image, interpolation_quality, list_named
from bsr_plugin.report.examples import BICUBIC_LABEL, HR_LABEL, Example, Version


def compare_with_bicubic(
    pictures: Mapping[str, Path], hr_folder: Path, scale: int, degradation: Degradation = 'bicubic'
) -> list[Example]:
    """Compares every picture that test runs saved with interpolation; it needs no ``metrics.json``.

    Pictures are in ``results/<name>/visualization/<data set>``, where BasicSR calls them after the LR file and the run:
    ``0801x4_<run>.png`` is the picture of the HR image ``0801`` at scale 4, as ``0801_<run>.png`` and ``0801.png`` are.
    A picture belongs to the longest name of an HR image that it fits. ``scale`` pixels are cut off on all sides before
    measuring.

    Args:
        pictures: What to call a test run -> its pictures, one for each HR image; the first names the data set.
        hr_folder: HR images.
        scale: Factor.
        degradation: How the LR images were made.

    Returns:
        For every image: bicubic interpolation, with its PSNR-Y on the paper's protocol, the picture of every run, with
        BasicSR's, and the HR image.

    Raises:
        InputError: The scale is below 2, or an HR image has no picture, or one of another size, or is too small; or two
            files have one name.
    """
    if scale < 2:
        raise InputError(f'The scale is {scale}: use 2 or more.')
    dataset = next(iter(pictures.values())).name
    files = list_named(hr_folder)
    names = [file.stem for file in files]
    found = {label: _pictures_of(names, folder, scale) for label, folder in pictures.items()}
    examples = []
    for file in files:
        truth = crop_to_multiple(read_image(file), scale)
        results = [
            _version(label, _picture_of(file.stem, found[label], folder), file.stem, truth, scale)
            for label, folder in pictures.items()
        ]
        quality = interpolation_quality(truth, scale, degradation, str(file))
        bicubic = imresize(degrade(truth, scale, degradation), *truth.shape[:2])
        versions = (Version(BICUBIC_LABEL, bicubic, quality.psnr_y), *results, Version(HR_LABEL, truth))
        examples.append(Example(dataset, scale, degradation, file.stem, versions))
    return examples


def _pictures_of(names: Sequence[str], folder: Path, scale: int) -> dict[str, Path]:
    """The picture of every HR image that has one; of several, the one with the shortest name."""
    found: dict[str, Path] = {}
    longest_first = sorted(names, key=len, reverse=True)
    for file in sorted(list_named(folder), key=lambda file: len(file.stem)):
        rests = ((name, file.stem.removeprefix(name)) for name in longest_first if file.stem.startswith(name))
        owner = next((name for name, rest in rests if re.match(rf'(x{scale})?(_|$)', rest)), None)
        if owner is not None:
            found.setdefault(owner, file)
    return found


def _picture_of(name: str, found: Mapping[str, Path], folder: Path) -> Path:
    if name not in found:
        raise InputError(f'{folder} has no result for {name}: run basicsr/test.py with save_img: true.')
    return found[name]


def _version(label: str, picture: Path, name: str, truth: Image, scale: int) -> Version:
    from basicsr.metrics import calculate_psnr

    result = read_image(picture)
    if result.shape != truth.shape:
        sizes = ['x'.join(map(str, image.shape[:2])) for image in (result, truth)]
        raise InputError(f'{picture.parent} has {name} at {sizes[0]}, its HR image is {sizes[1]}.')
    return Version(label, result, float(calculate_psnr(result, truth, crop_border=scale, test_y_channel=True)))
