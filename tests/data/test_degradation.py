from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bsr_plugin.data.degradation import (
    blur_down,
    contributions,
    crop_to_multiple,
    degrade,
    imresize,
    imresize_float,
    round_to_uint8,
)
from bsr_plugin.errors import InputError

# Keys' kernel of twice, three and four times its width, at the distances of the taps from the new pixel's centre.
BY_HAND = {
    2: [Fraction(w, 256) for w in (-3, -9, 29, 111, 111, 29, -9, -3)],
    3: [Fraction(w, 81) for w in (-1, -2, 0, 9, 21, 27, 21, 9, 0, -2, -1)],
    4: [Fraction(w, 4096) for w in (-7, -45, -75, -49, 93, 399, 745, 987, 987, 745, 399, 93, -49, -75, -45, -7)],
}


def keys_cubic(x):
    x = abs(x)
    if x <= 1:
        return Fraction(3, 2) * x**3 - Fraction(5, 2) * x**2 + 1
    return -Fraction(1, 2) * x**3 + Fraction(5, 2) * x**2 - 4 * x + 2 if x <= 2 else Fraction(0)


def resample(line, new_length):
    """One line in rational arithmetic, straight from the definition: no tables, no rounding."""
    step = Fraction(len(line), new_length)
    stretch = max(step, Fraction(1))
    result = []
    for place in range(new_length):
        centre = (place + Fraction(1, 2)) * step - Fraction(1, 2)
        taps = range(floor(centre - 2 * stretch), floor(centre + 2 * stretch) + 2)
        weights = [keys_cubic((tap - centre) / stretch) for tap in taps]
        mirrored = [tap % (2 * len(line)) for tap in taps]
        values = [line[tap if tap < len(line) else 2 * len(line) - 1 - tap] for tap in mirrored]
        result.append(sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights))
    return result


def rounded(value):
    return min(max(floor(value + Fraction(1, 2)), 0), 255)


def in_rational_arithmetic(image, height, width, between=rounded):
    """Columns first, then rows, ``between`` applied after each."""
    columns = [[between(v) for v in resample(line, height)] for line in image.T.tolist()]
    rows = [[between(v) for v in resample(list(line), width)] for line in zip(*columns, strict=True)]
    return np.array(rows)


@pytest.mark.parametrize('scale', [2, 3, 4])
def test_weights_are_those_computed_by_hand(scale):
    weights, positions = contributions(20 * scale, 20)
    row = [Fraction(weight).limit_denominator(10**6) for weight in weights[10]]
    places = positions[10].tolist()
    taps = {place: weight for place, weight in zip(places, row, strict=True) if weight}
    first = (scale - 1) / 2 + 10 * scale - (len(BY_HAND[scale]) - 1) / 2
    assert taps == {int(first) + k: weight for k, weight in enumerate(BY_HAND[scale]) if weight}
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-15)


def test_borders_are_mirrored_with_the_edge_pixel_repeated():
    _, positions = contributions(12, 6)
    assert positions[0].tolist() == [2, 1, 0, 0, 1, 2, 3, 4]
    assert positions[5].tolist() == [7, 8, 9, 10, 11, 11, 10, 9]


def test_half_size_by_hand():
    column = np.array([[10], [200], [30], [90], [250], [0]], np.uint8)
    # (-3*30 - 9*200 + 29*10 + 111*10 + 111*200 + 29*30 - 9*90 - 3*250) / 256 = 21020 / 256 = 82.1
    # (-3*10 - 9*10 + 29*200 + 111*30 + 111*90 + 29*250 - 9*0 - 3*0) / 256 = 26250 / 256 = 102.5
    # (-3*200 - 9*30 + 29*90 + 111*250 + 111*0 + 29*0 - 9*250 - 3*90) / 256 = 26970 / 256 = 105.4
    assert imresize(column, 3, 1)[:, 0].tolist() == [82, 103, 105]
    assert imresize(column.T, 1, 3)[0].tolist() == [82, 103, 105]


def test_overshoot_is_cut():
    image = np.zeros((2, 8), np.uint8)
    image[:, 4:] = 255
    # Beyond the step lie the outermost tap of the first new pixel, -3 / 256, and three of the second, 29 - 9 - 3.
    exact = resample(image[0].tolist(), 4)
    assert exact == [Fraction(255 * w, 256) for w in (-3, 17, 239, 259)]
    assert imresize(image, 1, 4)[0].tolist() == [0, 17, 238, 255]


SIZES = st.tuples(st.integers(1, 4), st.integers(1, 4))


@settings(max_examples=40)
@given(st.data(), st.sampled_from([2, 3, 4]))
def test_imresize_equals_rational_arithmetic(data, scale):
    rows, columns = data.draw(SIZES)
    image = data.draw(arrays(np.uint8, (rows * scale, columns * scale)))
    np.testing.assert_array_equal(imresize(image, rows, columns), in_rational_arithmetic(image, rows, columns))


@pytest.mark.parametrize('scale', [2, 3, 4, 8])
def test_noise_colours_and_strides(scale):
    colour = np.random.default_rng(scale).integers(0, 256, (3 * scale, 4 * scale, 3), dtype=np.uint8)
    expected = np.stack([in_rational_arithmetic(colour[..., c], 3, 4) for c in range(3)], axis=2)
    np.testing.assert_array_equal(degrade(colour, scale, 'bicubic'), expected)
    np.testing.assert_array_equal(degrade(colour[:, ::-1], scale, 'bicubic'), expected[:, ::-1])


def test_rounding_between_the_passes_matters_and_their_order_does():
    image = np.random.default_rng(0).integers(0, 256, (60, 60), dtype=np.uint8)
    found = imresize(image, 30, 30).astype(int)
    once = round_to_uint8(imresize_float(image, 30, 30)).astype(int)
    other_order = imresize(image.T, 30, 30).T.astype(int)
    assert 0.05 < (found != once).mean() < 0.3
    assert 0.02 < (found != other_order).mean() < 0.3
    assert abs(found - once).max() == 1


@settings(max_examples=20)
@given(st.data(), SIZES, SIZES)
def test_float_resize_up_and_down(data, size, new_size):
    image = data.draw(arrays(np.uint8, size))
    exact = in_rational_arithmetic(image, *new_size, between=Fraction).astype(float)
    np.testing.assert_allclose(imresize_float(image, *new_size), exact, rtol=0, atol=1e-9)


@settings(max_examples=25)
@given(st.data(), SIZES, st.sampled_from([2, 3, 4]))
def test_blur_down_is_a_gaussian_at_the_centre_of_each_block(data, blocks, scale):
    image = data.draw(arrays(np.uint8, (blocks[0] * scale, blocks[1] * scale, 3)))
    kernel = [[np.exp(-(x * x + y * y) / (2 * 1.6**2)) for x in range(-3, 4)] for y in range(-3, 4)]
    total = sum(map(sum, kernel))
    found = blur_down(image, scale)
    assert found.shape == (*blocks, 3)
    for row in range(blocks[0]):
        for column in range(blocks[1]):
            value = np.zeros(3)
            for y in range(-3, 4):
                for x in range(-3, 4):
                    at_row = min(max(row * scale + scale // 2 + y, 0), image.shape[0] - 1)
                    at_column = min(max(column * scale + scale // 2 + x, 0), image.shape[1] - 1)
                    value += kernel[y + 3][x + 3] / total * image[at_row, at_column]
            near_tie = abs(value % 1 - 0.5) < 1e-6
            assert (near_tie | (found[row, column] == np.floor(value + 0.5))).all()


def test_centre_pixel_is_at_offset_one_for_three():
    image = np.zeros((9, 9), np.uint8)
    image[4, 4] = 255  # the centre of the middle block
    found = degrade(image, 3, 'blur-down')
    axis = np.exp(-(np.arange(-3, 4) ** 2) / (2 * 1.6**2))
    axis /= axis.sum()
    assert found[1, 1] == round(255 * axis[3] ** 2)
    np.testing.assert_array_equal(found, np.rint(255 * np.outer(axis[::3], axis[::3])))


def test_rounding_is_half_up_and_saturates():
    values = np.array([-7.0, -0.4, 0.49, 0.5, 1.5, 2.5, 254.5, 255.4, 300])
    assert round_to_uint8(values).tolist() == [0, 0, 0, 1, 2, 3, 255, 255, 255]


@pytest.mark.parametrize(('size', 'scale', 'expected'), [((7, 9), 2, (6, 8)), ((9, 8), 4, (8, 8)), ((2, 5), 3, (0, 3))])
def test_cropping_keeps_the_upper_left(size, scale, expected):
    image = np.arange(size[0] * size[1]).reshape(size).astype(np.uint8)
    cropped = crop_to_multiple(image, scale)
    assert cropped.shape == expected
    np.testing.assert_array_equal(cropped, image[: expected[0], : expected[1]])


def test_errors():
    with pytest.raises(InputError, match=r'The HR image is 8x9, not a multiple of the scale 2: crop it first\.'):
        degrade(np.zeros((8, 9, 3), np.uint8), 2, 'bicubic')
    with pytest.raises(InputError, match=r"The degradation is 'nearest': use bicubic or blur-down\."):
        degrade(np.zeros((8, 8, 3), np.uint8), 2, 'nearest')
