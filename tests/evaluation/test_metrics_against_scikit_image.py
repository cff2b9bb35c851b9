"""The figures of a test run are those of an independent library on the same pictures."""

import cv2
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from bsr_plugin.evaluation.results import read_results


def luma(image):
    """Y of (H, W, 3) BGR uint8 by the BT.601 formula, unrounded."""
    blue, green, red = np.moveaxis(image.astype(np.float64), -1, 0)
    return 16 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255


def ssim(first, second):
    """SSIM with a Gaussian window of 11 pixels and sigma 1.5, where the whole window lies in the image."""
    _, full = structural_similarity(
        first, second, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    return full[5:-5, 5:-5].mean()


def test_psnr_and_ssim_are_scikit_images(run_test, hr_folder, tmp_path):
    run_test([{'name': 'Six', 'dataroot_gt': str(hr_folder)}])

    (kept,) = read_results(tmp_path / 'results/run').sets
    for image in kept.images:
        result = cv2.imread(str(tmp_path / 'results/run' / image.picture))
        truth = cv2.imread(image.gt)[: result.shape[0], : result.shape[1]]
        result, truth = result[2:-2, 2:-2], truth[2:-2, 2:-2]
        expected = {
            'psnr_y': peak_signal_noise_ratio(luma(truth), luma(result), data_range=255),
            'psnr_rgb': peak_signal_noise_ratio(truth, result),
            'ssim_y': ssim(luma(truth), luma(result)),
        }
        assert image.values == pytest.approx(expected, abs=1e-4)


def test_the_bicubic_row_is_scikit_images_too(hr_folder):
    from bsr_plugin.data.degradation import imresize_float, round_to_uint8
    from bsr_plugin.report.bicubic import bicubic_baseline

    rows = bicubic_baseline(hr_folder, 2)
    for name, quality in rows.items():
        image = cv2.imread(str(hr_folder / f'{name}.png'))
        truth = np.floor(luma(image) + 0.5)[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
        small = imresize_float(truth, truth.shape[0] // 2, truth.shape[1] // 2)
        result = round_to_uint8(imresize_float(small, *truth.shape)).astype(float)[2:-2, 2:-2]
        truth = truth[2:-2, 2:-2]
        assert quality.psnr_y == pytest.approx(peak_signal_noise_ratio(truth, result, data_range=255), abs=1e-4)
        assert quality.ssim_y == pytest.approx(ssim(truth, result), abs=1e-4)
