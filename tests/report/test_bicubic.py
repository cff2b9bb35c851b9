"""The bicubic baseline against an independent computation: dense matrices, scikit-image's metrics."""

import numpy as np
import pytest
import skimage.data
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from bsr_plugin.data.image_file import encode_png
from bsr_plugin.errors import InputError
from bsr_plugin.report.bicubic import bicubic_baseline, interpolation_quality, luma_uint8, mean_quality


def cubic(x):
    x = abs(x)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x <= 2 else 0.0


def resize_matrix(length, new_length):
    """Row by row, sample by sample: what MATLAB's documentation says of imresize with antialiasing."""
    factor = new_length / length
    narrow = min(factor, 1)
    matrix = np.zeros((new_length, length))
    for row in range(new_length):
        centre = (row + 0.5) / factor - 0.5
        for source in range(-4 * length, 5 * length):
            weight = narrow * cubic(narrow * (centre - source))
            folded = source % (2 * length)
            matrix[row, folded if folded < length else 2 * length - 1 - folded] += weight
        matrix[row] /= matrix[row].sum()
    return matrix


def up_and_down(luma, scale):
    height, width = luma.shape
    small = resize_matrix(height, height // scale) @ luma @ resize_matrix(width, width // scale).T
    large = resize_matrix(height // scale, height) @ small @ resize_matrix(width // scale, width).T
    return np.clip(np.rint(large), 0, 255).astype(np.uint8)


@pytest.mark.parametrize('scale', [2, 3, 4])
def test_baseline_is_the_papers_protocol(scale):
    image = skimage.data.chelsea()[60:132, 100:172, ::-1]
    blue, green, red = (image[..., channel].astype(float) for channel in range(3))
    luma = np.floor(16 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255 + 0.5)
    inner = (slice(scale, -scale), slice(scale, -scale))
    truth, result = luma.astype(np.uint8)[inner], up_and_down(luma, scale)[inner]

    quality = interpolation_quality(image, scale, 'bicubic', 'chelsea')

    assert quality.psnr_y == pytest.approx(peak_signal_noise_ratio(truth, result, data_range=255), abs=1e-6)
    ssim = structural_similarity(
        truth, result, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert quality.ssim_y == pytest.approx(ssim, abs=1e-6)


def test_blur_down_is_harder_to_undo_than_bicubic():
    image = skimage.data.chelsea()[60:180, 100:220, ::-1]
    blurred = interpolation_quality(image, 3, 'blur-down', 'chelsea')
    bicubic = interpolation_quality(image, 3, 'bicubic', 'chelsea')
    assert bicubic.psnr_y - 5 < blurred.psnr_y < bicubic.psnr_y - 0.5


def test_luma_of_known_colours():
    colours = np.array([[[0, 0, 0], [255, 255, 255], [0, 0, 255], [255, 0, 0]]], np.uint8)  # BGR
    assert luma_uint8(colours).tolist() == [[16, 235, 81, 41]]


def test_mean_is_over_images_of_any_size(tmp_path):
    image = skimage.data.coffee()[..., ::-1]
    (tmp_path / 'a.png').write_bytes(encode_png(np.ascontiguousarray(image[:121, :90])))
    (tmp_path / 'b.png').write_bytes(encode_png(np.ascontiguousarray(image[100:200, 300:477])))
    qualities = bicubic_baseline(tmp_path, 2)
    assert list(qualities) == ['a', 'b']
    mean = mean_quality(qualities.values())
    assert mean.psnr_y == pytest.approx((qualities['a'].psnr_y + qualities['b'].psnr_y) / 2)


def test_wrong_input_is_named(tmp_path):
    with pytest.raises(InputError, match=r'The scale is 1: use 2 or more\.'):
        bicubic_baseline(tmp_path, 1)
    with pytest.raises(InputError, match='holds no image'):
        bicubic_baseline(tmp_path, 2)
    (tmp_path / 'tiny.png').write_bytes(encode_png(np.zeros((12, 40, 3), np.uint8)))
    with pytest.raises(InputError, match=r'tiny\.png is 12x40, too small to be measured at scale 2\.'):
        bicubic_baseline(tmp_path, 2)
