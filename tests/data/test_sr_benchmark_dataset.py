"""Benchmark sets: LR images made MATLAB's way as they are read, or taken from beside the HR images."""

import cv2
import numpy as np
import pytest
import torch

from bsr_plugin.data.sr_benchmark_dataset import SRBenchmarkDataset
from bsr_plugin.errors import InputError


def matlab_imresize(image, scale):
    """imresize(image, 1/scale) on uint8 written out: one dense matrix per axis, rounded after each of the two."""

    def matrix(length):
        rows = np.zeros((length // scale, length))
        for row in range(length // scale):
            centre = (row + 0.5) * scale - 0.5
            for tap in range(int(centre) - 3 * scale, int(centre) + 3 * scale + 2):
                x = abs(tap - centre) / scale
                if x < 1:
                    weight = 1.5 * x**3 - 2.5 * x**2 + 1
                elif x < 2:
                    weight = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
                else:
                    continue
                mirrored = -tap - 1 if tap < 0 else 2 * length - 1 - tap if tap >= length else tap
                rows[row, mirrored] += weight
        return rows / rows.sum(axis=1, keepdims=True)

    def rounded(values):
        # A hair's breadth above: sums of the same numbers in another order differ in their last bits.
        return np.floor(np.clip(values, 0, 255) + 0.5 + 1e-9)

    half = rounded(np.einsum('ij,jkc->ikc', matrix(image.shape[0]), image.astype(float)))
    return rounded(np.einsum('ij,kjc->kic', matrix(image.shape[1]), half)).astype(np.uint8)


def rgb(tensor):
    """(3, H, W) in [0, 1] to (H, W, 3) BGR uint8."""
    assert tensor.dtype == torch.float32
    values = tensor.numpy().transpose(1, 2, 0)[..., ::-1] * 255
    np.testing.assert_allclose(values, np.rint(values), atol=1e-4)
    return np.rint(values).astype(np.uint8)


@pytest.fixture
def hr_image():
    return cv2.resize(np.random.default_rng(3).integers(0, 256, (13, 15, 3), np.uint8), (62, 53))


@pytest.fixture
def folder(tmp_path, hr_image):
    cv2.imwrite(str(tmp_path / 'one.png'), hr_image)
    return tmp_path


@pytest.mark.parametrize('scale', [2, 3, 4])
def test_lr_images_are_matlabs_when_only_hr_is_given(folder, hr_image, scale):
    sample = SRBenchmarkDataset({'name': 'Set', 'dataroot_gt': str(folder), 'scale': scale})[0]

    cut = hr_image[: 53 // scale * scale, : 62 // scale * scale]
    np.testing.assert_array_equal(rgb(sample['gt']), cut)
    np.testing.assert_array_equal(rgb(sample['lq']), matlab_imresize(cut, scale))
    assert sample['gt_path'] == sample['lq_path'] == str(folder / 'one.png')


def test_blur_down(folder, hr_image):
    options = {'name': 'Set', 'dataroot_gt': str(folder), 'scale': 3, 'degradation': 'blur-down'}
    sample = SRBenchmarkDataset(options)[0]

    x = np.arange(-3, 4)
    window = np.exp(-(x**2) / (2 * 1.6**2))
    window = np.outer(window, window) / window.sum() ** 2
    padded = np.pad(hr_image[:51, :60].astype(float), ((3, 3), (3, 3), (0, 0)), 'edge')
    expected = [
        [(padded[r : r + 7, c : c + 7] * window[..., None]).sum((0, 1)) for c in range(1, 60, 3)]
        for r in range(1, 51, 3)
    ]
    assert np.abs(rgb(sample['lq']) - expected).max() <= 0.5 + 1e-6


def test_given_lr_images_are_used_and_the_hr_image_is_cut_to_them(folder, hr_image, tmp_path):
    lr = tmp_path / 'lr'
    lr.mkdir()
    small = matlab_imresize(hr_image[:48, :60], 2)
    cv2.imwrite(str(lr / 'onex2.png'), small)
    options = {'name': 'Set', 'dataroot_gt': str(folder), 'dataroot_lq': str(lr), 'scale': 2, 'filename_tmpl': '{}x2'}

    sample = SRBenchmarkDataset(options)[0]

    np.testing.assert_array_equal(rgb(sample['lq']), small)
    np.testing.assert_array_equal(rgb(sample['gt']), hr_image[:48, :60])
    assert sample['lq_path'] == str(lr / 'onex2.png')


@pytest.mark.parametrize('sigma', [0, 25, 50, 75])
@pytest.mark.parametrize('contrast', [0, 0.1, 1])
def test_noise_is_no_other_picture(tmp_path, hr_image, sigma, contrast):
    """Pairs of a set for denoising, flat ones too, are taken; pairs whose names were mixed up are not."""
    generator = np.random.default_rng(sigma)
    hr = {'a': hr_image[:52], 'b': np.ascontiguousarray(hr_image[51::-1, ::-1])}
    hr = {name: np.rint(128 + contrast * (image - 128.0)).astype(np.uint8) for name, image in hr.items()}
    lr = {name: matlab_imresize(image, 2) for name, image in hr.items()}
    noise = {name: generator.normal(0, sigma, image.shape) for name, image in lr.items()}
    options = {'name': 'Set', 'scale': 2}
    for folder, (a, b) in {'right': 'ab', 'wrong': 'ba'}.items():
        (tmp_path / folder / 'HR').mkdir(parents=True)
        (tmp_path / folder / 'LR').mkdir()
        for name, shown in (('a', a), ('b', b)):
            cv2.imwrite(str(tmp_path / folder / f'HR/{name}.png'), hr[name])
            noisy = np.clip(lr[shown] + noise[shown], 0, 255).round().astype(np.uint8)
            cv2.imwrite(str(tmp_path / folder / f'LR/{name}.png'), noisy)
        options |= {'dataroot_gt': str(tmp_path / folder / 'HR'), 'dataroot_lq': str(tmp_path / folder / 'LR')}
        dataset = SRBenchmarkDataset(options)
        if folder == 'right' or contrast < 1:
            assert len([dataset[0], dataset[1]]) == 2
        else:
            with pytest.raises(
                InputError, match=r'a\.png does not show what .*a\.png shows: one of them has the wrong'
            ):
                dataset[0]


def test_what_is_wrong_with_a_set_is_said_before_the_run(folder, tmp_path, hr_image):
    lr = tmp_path / 'lr'
    lr.mkdir()
    options = {'name': 'Mine', 'dataroot_gt': str(folder), 'dataroot_lq': str(lr), 'scale': 2}
    cv2.imwrite(str(lr / 'other.png'), hr_image[:20])
    with pytest.raises(InputError, match=r'has one and .*lr no image for it \(1 without a partner\)|lr has other and'):
        SRBenchmarkDataset(options)
    cv2.imwrite(str(lr / 'one.png'), hr_image[:20])
    with pytest.raises(InputError, match=r'lr has other and .* no image for it \(1 without a partner\)'):
        SRBenchmarkDataset(options)
    with pytest.raises(
        InputError, match=r"^data set Mine: `degradation`: 'nearest' should be 'bicubic' or 'blur-down'$"
    ):
        SRBenchmarkDataset({**options, 'degradation': 'nearest'})
    with pytest.raises(InputError, match=r'^data set Mine: `dataroot_gt`: missing$'):
        SRBenchmarkDataset({'name': 'Mine', 'scale': 2})
    cv2.imwrite(str(folder / 'one.jpg'), hr_image)
    with pytest.raises(InputError, match='several images of the name one'):
        SRBenchmarkDataset({'name': 'Mine', 'dataroot_gt': str(folder), 'scale': 2})


def test_an_lmdb_of_the_project_serves_as_well(folder, tmp_path, hr_image):
    from bsr_plugin.cli import main

    assert main(['prepare', str(folder), '--out', str(tmp_path / 'out'), '--scale', '2', '--lr-window', '8']) == 0
    options = {'name': 'Set', 'scale': 2, 'io_backend': {'type': 'lmdb'}}
    options |= {
        'dataroot_gt': str(tmp_path / 'out/HR_x2.lmdb'),
        'dataroot_lq': str(tmp_path / 'out/LR_bicubic_x2.lmdb'),
    }

    sample = SRBenchmarkDataset(options)[0]

    np.testing.assert_array_equal(rgb(sample['gt']), hr_image[:52, :62])
    np.testing.assert_array_equal(rgb(sample['lq']), matlab_imresize(hr_image[:52, :62], 2))
