import cv2
import numpy as np
import pytest
from PIL import Image

from bsr_plugin.serve import previews
from bsr_plugin.serve.previews import write_previews
from tests.serve.conftest import noise, save


def read(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_the_interpolated_image_and_the_result(tmp_path):
    small = save(tmp_path / 'a.png', np.full((20, 30, 3), (10, 200, 90), np.uint8))
    large = save(tmp_path / 'b.png', noise(60, 90, 3))
    bicubic, result = write_previews(small, large, 3, tmp_path)
    assert (read(bicubic) == np.full((60, 90, 3), (10, 200, 90))).all()
    assert (read(result) == noise(60, 90, 3)).all()


def test_the_interpolated_image_lies_on_the_result(tmp_path):
    y, x = np.mgrid[:24, :24]
    small = save(tmp_path / 'a.png', (4 * x + 5 * y).astype(np.uint8))
    bicubic, _ = write_previews(small, save(tmp_path / 'b.png', noise(48, 48)), 2, tmp_path)
    y, x = (np.mgrid[:48, :48] + 0.5) / 2 - 0.5
    inner = slice(6, -6), slice(6, -6)
    assert np.abs(read(bicubic)[inner] - (4 * x + 5 * y)[inner]).max() <= 1


@pytest.mark.parametrize('bands', [1, 3])
def test_sixteen_bits_become_eight(tmp_path, bands):
    pixels = np.random.default_rng(0).integers(0, 65536, (40, 40, bands), np.uint16)
    cv2.imwrite(str(tmp_path / 'a.png'), np.full((20, 20, bands), 257 * 99 + 100, np.uint16))
    cv2.imwrite(str(tmp_path / 'b.png'), pixels)
    bicubic, result = write_previews(tmp_path / 'a.png', tmp_path / 'b.png', 2, tmp_path)
    assert set(read(bicubic).ravel()) == {99}
    expected = np.rint(pixels / 257)[..., ::-1]
    assert read(result).dtype == np.uint8
    assert (read(result).reshape(40, 40, bands) == expected).all()


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_what_is_transparent_is_white(tmp_path, dtype):
    most = np.iinfo(dtype).max
    for name, side in (('a.png', 20), ('b.png', 40)):
        pixels = np.zeros((side, side, 4), dtype)
        pixels[:, side // 2 :, 3] = most
        cv2.imwrite(str(tmp_path / name), pixels)
    for path in write_previews(tmp_path / 'a.png', tmp_path / 'b.png', 2, tmp_path):
        shown = read(path)
        assert shown.shape == (40, 40, 3)
        assert (shown[:, :17] == 255).all()
        assert (shown[:, 23:] == 0).all()


def test_large_results_are_shown_smaller(tmp_path, monkeypatch):
    monkeypatch.setattr(previews, 'MAX_PIXELS', 40 * 40)
    small, large = save(tmp_path / 'a.png', noise(40, 80, 3)), save(tmp_path / 'b.png', noise(80, 160, 3))
    shapes = [read(path).shape for path in write_previews(small, large, 2, tmp_path)]
    assert shapes[0] == shapes[1]
    assert 0.9 * 1600 < shapes[0][0] * shapes[0][1] <= 1.1 * 1600
