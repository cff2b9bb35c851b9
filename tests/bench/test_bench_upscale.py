import json

import pytest

from bsr_plugin.bench import upscale
from bsr_plugin.cli import main


@pytest.mark.slow
def test_every_contender_is_measured_and_held_against_a_matrix_product(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(upscale, 'ROUNDS', 1)
    monkeypatch.setattr(upscale, 'computes_bf16', lambda device: True)  # here perhaps emulated
    monkeypatch.setattr(upscale, 'names', list)
    path = tmp_path / 'figures.json'
    words = ['bench', 'upscale', '--megapixels', '0.004', '--scale', '2', '--peers', 'EDSR-M', '--json', str(path)]
    monkeypatch.setattr(upscale, 'of_other_packages', lambda scale: {})
    monkeypatch.setattr(upscale, 'PHOTOGRAPHS', 2)
    assert main(words) == 0
    figures = json.loads(path.read_text())
    rates = figures['megapixels_per_s']
    assert set(rates) - {'bsr_onnx'} == {
        *('bsr_float32', 'bsr_bf16', 'EDSR-M', 'opencv_bicubic', 'opencv_lanczos', 'pillow_bicubic', 'pillow_lanczos')
    }
    assert min(rates.values()) > 0
    # New weights have no quality.
    assert set(figures['psnr_y']) == {'opencv_bicubic', 'opencv_lanczos', 'pillow_bicubic', 'pillow_lanczos'}
    assert set(figures['megapixels'].values()) == {0.004096}
    # Multiply-adds per LR pixel, which makes four of the result's.
    ours = 3 * 32 * 9 + 16 * 32 * 32 * 9 + 4 * 32 * 9 + 5 * 32 * 32 + 32 * 128 * 9 + 4 * 32 * 3 * 9
    edsr = 3 * 64 * 9 + 33 * 64 * 64 * 9 + 64 * 256 * 9 + 4 * 64 * 3 * 9
    counted = figures['gmacs_per_megapixel']
    assert (counted['bsr_float32'], counted['EDSR-M']) == pytest.approx((ours / 4e3, edsr / 4e3))
    float32, bf16 = figures['matrix_gmacs_per_s'].values()
    assert figures['of_matrix']['EDSR-M'] == pytest.approx(rates['EDSR-M'] * edsr / 4e3 / float32)
    assert figures['of_matrix']['bsr_bf16'] == pytest.approx(rates['bsr_bf16'] * ours / 4e3 / bf16)
    printed = capsys.readouterr().out
    assert 'cpu: x2, new weights, 32 channels, 4 x 2' in printed
    assert 'the limit, a matrix product, GMAC/s: float32 ' in printed


def test_slow_contenders_get_a_smaller_part(monkeypatch):
    """A clock on which an upscaler takes a millisecond per pixel."""
    clock = [0.0]
    monkeypatch.setattr(upscale.time, 'perf_counter', lambda: clock[0])

    def slow(image):
        clock[0] += image.size / 3000

    image = upscale.np.zeros((500, 500, 3), 'uint8')
    assert upscale._fitting(slow, image).shape == (32, 32, 3)
    assert upscale._fitting(lambda image: None, image).shape == (500, 500, 3)


def test_wrong_arguments_get_a_sentence(capsys, tmp_path):
    assert main(['bench', 'upscale', '--megapixels', '0']) == 2
    assert '--megapixels is 0: use a number above 0.' in capsys.readouterr().err
    assert main(['bench', 'upscale', '--weights', str(tmp_path / 'none.pth')]) == 2
    assert 'none.pth' in capsys.readouterr().err
