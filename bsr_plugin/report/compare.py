"""Pictures of any test run beside bicubic interpolation of the same LR images."""

from pathlib import Path

from bsr_plugin.data.degradation import Degradation, crop_to_multiple, degrade, imresize
from bsr_plugin.data.image_file import list_images, read_image
from bsr_plugin.errors import InputError
from bsr_plugin.report.bicubic import interpolation_quality
from bsr_plugin.report.examples import BICUBIC_LABEL, HR_LABEL, Example, Version


def compare_with_bicubic(
    pictures: Path, hr_folder: Path, scale: int, degradation: Degradation = 'bicubic'
) -> list[Example]:
    """Compares every picture that a test run saved with interpolation; it needs no ``metrics.json``.

    Pictures are in ``results/<name>/visualization/<data set>``, where BasicSR appends the name of the run to that of an
    image; ``scale`` pixels are cut off on all sides before measuring.

    Returns:
        For every image three versions: bicubic interpolation, with its PSNR-Y on the paper's protocol, the picture,
        with BasicSR's, and the HR image.

    Raises:
        InputError: An HR image has no picture, or one of another size, or is too small.
    """
    from basicsr.metrics import calculate_psnr

    found = {file.stem: file for file in list_images(pictures)}
    examples = []
    for file in list_images(hr_folder):
        truth = crop_to_multiple(read_image(file), scale)
        names = [name for name in found if name == file.stem or name.startswith(f'{file.stem}_')]
        if not names:
            raise InputError(f'{pictures} has no result for {file.stem}: run basicsr/test.py with save_img: true.')
        result = read_image(found[min(names, key=len)])
        if result.shape != truth.shape:
            sizes = ['x'.join(map(str, image.shape[:2])) for image in (result, truth)]
            raise InputError(f'{pictures} has {file.stem} at {sizes[0]}, its HR image is {sizes[1]}.')
        quality = interpolation_quality(truth, scale, degradation, str(file))
        bicubic = imresize(degrade(truth, scale, degradation), *truth.shape[:2])
        psnr = float(calculate_psnr(result, truth, crop_border=scale, test_y_channel=True))
        versions = (
            Version(BICUBIC_LABEL, bicubic, quality.psnr_y),
            Version('BSR', result, psnr),
            Version(HR_LABEL, truth),
        )
        examples.append(Example(pictures.name, scale, degradation, file.stem, versions))
    return examples
