"""Pictures of any test run beside bicubic interpolation of the same LR images."""

from collections.abc import Mapping
from pathlib import Path

from bsr_plugin.data.degradation import Degradation, crop_to_multiple, degrade, imresize
from bsr_plugin.data.image_file import list_images, read_image
from bsr_plugin.errors import InputError
from bsr_plugin.report.bicubic import Image, interpolation_quality
from bsr_plugin.report.examples import BICUBIC_LABEL, HR_LABEL, Example, Version


def compare_with_bicubic(
    pictures: Mapping[str, Path], hr_folder: Path, scale: int, degradation: Degradation = 'bicubic'
) -> list[Example]:
    """Compares every picture that test runs saved with interpolation; it needs no ``metrics.json``.

    Pictures are in ``results/<name>/visualization/<data set>``, where BasicSR appends the name of the run to that of an
    image; ``scale`` pixels are cut off on all sides before measuring.

    Args:
        pictures: What to call a test run -> its pictures, one for each HR image; the first names the data set.
        hr_folder: HR images.
        scale: Factor.
        degradation: How the LR images were made.

    Returns:
        For every image: bicubic interpolation, with its PSNR-Y on the paper's protocol, the picture of every run, with
        BasicSR's, and the HR image.

    Raises:
        InputError: An HR image has no picture, or one of another size, or is too small.
    """
    dataset = next(iter(pictures.values())).name
    found = {label: {file.stem: file for file in list_images(folder)} for label, folder in pictures.items()}
    examples = []
    for file in list_images(hr_folder):
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


def _picture_of(name: str, found: Mapping[str, Path], folder: Path) -> Path:
    names = [stem for stem in found if stem == name or stem.startswith(f'{name}_')]
    if not names:
        raise InputError(f'{folder} has no result for {name}: run basicsr/test.py with save_img: true.')
    return found[min(names, key=len)]


def _version(label: str, picture: Path, name: str, truth: Image, scale: int) -> Version:
    from basicsr.metrics import calculate_psnr

    result = read_image(picture)
    if result.shape != truth.shape:
        sizes = ['x'.join(map(str, image.shape[:2])) for image in (result, truth)]
        raise InputError(f'{picture.parent} has {name} at {sizes[0]}, its HR image is {sizes[1]}.')
    return Version(label, result, float(calculate_psnr(result, truth, crop_border=scale, test_y_channel=True)))
