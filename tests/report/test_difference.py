"""Difference maps against the formulas."""

import numpy as np
import pytest

from bsr_plugin.report.difference import coloured, difference_figure, difference_maps


def test_l2_and_lp_of_single_pixels():
    truth = np.full((2, 3, 3), 100, np.uint8)
    result = truth.copy()
    result[0, 0] = (100, 151, 49)  # differences 0, 0.2 and 0.2 in unit range
    result[1, 2] = 0

    l2, lp = difference_maps(result, truth, 0.5)

    assert l2.shape == lp.shape == (2, 3)
    assert l2[0, 0] == pytest.approx((0 + 0.04 + 0.04) / 3)
    assert lp[0, 0] == pytest.approx((0 + 0.2**0.5 + 0.2**0.5) / 3)
    assert l2[1, 2] == pytest.approx((100 / 255) ** 2)
    assert lp[1, 2] == pytest.approx((100 / 255) ** 0.5)
    assert l2[0, 1] == lp[0, 1] == 0
    assert difference_maps(result, truth, 1.0)[1][0, 0] == pytest.approx(0.4 / 3)


def test_lp_makes_more_of_small_differences():
    """What Fig. 8 shows: relative to the largest difference, a small one weighs more by Lp than by L2."""
    truth = np.zeros((1, 2, 3), np.uint8)
    result = np.array([[[10] * 3, [160] * 3]], np.uint8)
    l2, lp = difference_maps(result, truth)
    assert l2[0, 0] / l2[0, 1] == pytest.approx(1 / 256)
    assert lp[0, 0] / lp[0, 1] == pytest.approx(1 / 4)


def test_colours_run_from_dark_to_light_and_equal_pictures_are_dark():
    picture = coloured(np.array([[0.0, 0.5, 2.0]]))
    brightness = picture.astype(int).sum(axis=2)[0]
    assert (np.diff(brightness) > 0).all()
    assert coloured(np.zeros((2, 2))).max() == coloured(np.array([[0.0, 1.0]]))[0, 0].max()


def test_the_figure_shows_the_pictures_in_rgb_beside_the_maps():
    truth = np.zeros((4, 5, 3), np.uint8)
    truth[..., 0] = 200  # blue, as OpenCV has it
    figure = difference_figure(truth + 10, truth, 'BSR, 20 dB')
    captions = [axes.get_title() for axes in figure.axes]
    assert captions[:2] == ['HR', 'BSR, 20 dB']
    assert captions[2] == f'L2: up to {(10 / 255) ** 2:.4f}'
    assert figure.axes[0].images[0].get_array()[0, 0].tolist() == [0, 0, 200]
