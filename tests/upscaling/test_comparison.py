"""Bicubic interpolation and the result side by side."""

import cv2
import numpy as np
import pytest
from PIL import Image

from bsr_plugin.upscaling.files import FileSettings, upscale_files
from bsr_plugin.upscaling.libvips import pyvips
from bsr_plugin.upscaling.plan import plan
from tests.upscaling.conftest import Doubling, done, doubled


def test_the_comparison_is_bicubic_beside_the_result(tmp_path, upscaled):
    from bsr_plugin.data.degradation import imresize

    rng = np.random.default_rng(2)
    pixels = cv2.GaussianBlur(rng.integers(0, 256, (40, 50, 3), np.uint8), (7, 7), 2)
    Image.fromarray(pixels).save(tmp_path / 'in.png')
    path = done(upscaled(tmp_path / 'in.png', 'out.png', compare=True))
    picture = np.asarray(Image.open(tmp_path / 'out.png_bicubic_BSR.png'))
    assert (picture[:, 100:] == np.asarray(Image.open(path))).all()
    assert np.abs(picture[4:-4, 4:96].astype(int) - imresize(pixels, 80, 100)[4:-4, 4:-4]).max() <= 2


def test_each_of_two_images_of_the_same_stem_has_its_comparison(tmp_path, noise):
    pixels = {'x.png': noise(20, 20, 3), 'x.tif': noise(20, 30, 3), 'x_bicubic_BSR.png': noise(20, 40, 3)}
    (tmp_path / 'in').mkdir()
    for name, image in pixels.items():
        Image.fromarray(image).save(tmp_path / 'in' / name)
    jobs = plan([str(tmp_path / 'in')], tmp_path / 'out', compare=True)
    assert not upscale_files(jobs, Doubling(), FileSettings(compare=True)).failed
    for name, image in pixels.items():
        picture = np.asarray(Image.open(tmp_path / 'out' / f'{name}_bicubic_BSR.png'))
        assert (np.asarray(Image.open(tmp_path / 'out' / name)) == doubled(image)).all()
        assert (picture[:, 2 * image.shape[1] :] == doubled(image)).all()


@pytest.mark.parametrize('suffix', ['.webp', '.avif', '.png'])
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
@pytest.mark.parametrize(('bands', 'alpha'), [(2, 0.6), (2, 1), (4, 1), (1, None)])
def test_comparisons_where_the_format_has_other_bands(upscaled, tmp_path, suffix, dtype, bands, alpha):
    white = np.iinfo(dtype).max
    pixels = np.full((24, 32, bands), round(0.4 * white), dtype)
    if alpha:
        pixels[..., -1] = round(alpha * white)
    kinds = ('grey16', 'rgb16') if dtype == np.uint16 else ('b-w', 'srgb')
    pyvips.Image.new_from_array(pixels, interpretation=kinds[bands > 2]).write_to_file(tmp_path / 'in.png')
    path = done(upscaled(tmp_path / 'in.png', f'out{suffix}', compare=True))
    picture = pyvips.Image.new_from_file(f'{path}_bicubic_BSR.png')
    samples = np.atleast_3d(picture.numpy()).astype(float) / np.iinfo(picture.numpy().dtype).max
    assert samples.shape[:2] == (48, 128)
    assert np.abs(samples[:, :64] - samples[:, 64:]).max() < 0.02
    assert samples[10, 10, 0] == pytest.approx(0.4, abs=0.02)
    assert samples.shape[2] in (1, 3) or samples[10, 10, -1] == pytest.approx(alpha, abs=0.02)
