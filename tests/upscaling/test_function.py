import subprocess
import sys
import threading

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from bsr_plugin import upscale
from bsr_plugin.errors import InputError


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize('shape', [(9, 7), (9, 7, 1), (9, 7, 2), (9, 7, 3), (9, 7, 4)])
def test_the_same_kind_comes_out(tiny, dtype, shape):
    image = (np.random.default_rng(0).random(shape) * (1 if np.dtype(dtype).kind == 'f' else 200)).astype(dtype)
    result = upscale(image, 2, weights=tiny)
    assert result.dtype == dtype
    assert result.shape == (18, 14, *shape[2:])


def test_kinds_agree_to_rounding(tiny, noise):
    image = noise(20, 16, 3)
    fine = upscale(image.astype(np.float32) / 255, weights=tiny)
    assert np.abs(upscale(image, weights=tiny) / 255 - fine).max() <= 0.5 / 255 + 1e-6
    assert np.abs(upscale(image.astype(np.uint16) * 257, weights=tiny) / 65535 - fine).max() <= 0.5 / 65535 + 1e-6


def test_a_path_is_read_as_rgb(tiny, tmp_path, noise):
    image = noise(12, 10, 3, dtype=np.uint16)
    cv2.imwrite(str(tmp_path / 'deep.png'), image[..., ::-1])
    assert (upscale(tmp_path / 'deep.png', weights=tiny) == upscale(image, weights=tiny)).all()
    Image.fromarray(noise(12, 10)).save(tmp_path / 'grey.png')
    assert upscale(str(tmp_path / 'grey.png'), weights=tiny).shape == (24, 20, 1)


def test_threads_get_what_one_gets(tiny):
    images = [np.random.default_rng(number).integers(0, 256, (20, 20, 3), np.uint8) for number in range(6)]
    results = {}
    threads = [
        threading.Thread(target=lambda n=number: results.update({n: upscale(images[n], weights=tiny)}))
        for number in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((results[number] == upscale(images[number], weights=tiny)).all() for number in range(6))


@pytest.mark.parametrize(
    ('image', 'sentence'),
    [
        (np.zeros((4, 4, 5), np.uint8), r'has shape \(4, 4, 5\): use'),
        (np.zeros((0, 4, 3), np.uint8), r'has shape \(0, 4, 3\): use'),
        (np.zeros((4, 4, 3), np.int32), 'is of type int32: use uint8'),
        (np.full((4, 4, 3), np.nan), 'holds NaN or infinity'),
        (np.full((4, 4, 3), 255.0), r'reaches from 255 to 255: floats are in \[0, 1\], divide by 255'),
        (np.linspace(-1, 1, 16, dtype=np.float32).reshape(4, 4), 'reaches from -1 to 1: floats'),
        (Image.new('RGB', (4, 4)), r'is a Image: use np.asarray\(image\)'),
        (torch.zeros(4, 4, 3), r'is a Tensor: use np.asarray\(image\)'),
        ([[0, 1], [1, 0]], 'is a list: use'),
        (b'nowhere.png', 'is a bytes: use'),
        ('nowhere.png', 'nowhere.png cannot be read'),
    ],
)
def test_what_is_no_image_is_told_before_a_network_is_loaded(image, sentence):
    with pytest.raises(InputError, match=sentence):
        upscale(image, weights='nowhere.pth')


@pytest.mark.parametrize(
    ('settings', 'sentence'),
    [
        *(({'tile': tile}, rf'The tile is {tile}: use a whole number') for tile in (0, -1, None, 64.0)),
        ({'precision': 'fp32'}, "The precision is 'fp32': use auto, float32 or bf16"),
        ({'device': 'gpu'}, "The device is 'gpu': use auto, cpu or cuda"),
        ({'device': 'mps'}, "The device is 'mps'"),
    ],
)
def test_what_is_no_setting(tiny, noise, settings, sentence):
    with pytest.raises(InputError, match=sentence):
        upscale(noise(4, 4, 3), weights=tiny, **settings)


def test_floats_that_ring_are_clipped(tiny):
    assert np.isfinite(upscale(np.linspace(-0.2, 1.2, 16).reshape(4, 4), weights=tiny)).all()


def test_either_order_of_bytes(tiny, noise):
    image = noise(9, 7, 3, dtype=np.uint16)
    result = upscale(image.astype('>u2'), weights=tiny)
    assert result.dtype == np.dtype('>u2')
    assert (result == upscale(image, weights=tiny)).all()


def test_importing_the_package_imports_neither_torch_nor_libvips():
    code = 'import bsr_plugin, sys; print(sorted({"torch", "pyvips", "basicsr", "numpy"} & set(sys.modules)))'
    assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True).stdout == '[]\n'
