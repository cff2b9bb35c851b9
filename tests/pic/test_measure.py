import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bsr_plugin.errors import InputError
from bsr_plugin.pic.measure import MAX_GRADIENT, gradient_map, ringed_sums, window_sums, window_with_ring

SOBEL_X = ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1))
IMAGES = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(lambda size: arrays(np.uint8, (*size, 3)))
RULES = st.sampled_from(['max', 'sum'])


def mirrored(at, length):
    """Index of a pixel outside the image, reflected without repeating the edge."""
    return 0 if length == 1 else (-at if at < 0 else 2 * (length - 1) - at if at >= length else at)


def gradient_by_hand(image, y, x, rule):
    height, width, _ = image.shape
    offsets = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    at = {(dy, dx): image[mirrored(y + dy, height), mirrored(x + dx, width)].tolist() for dy, dx in offsets}
    across = [sum(SOBEL_X[dy + 1][dx + 1] * at[dy, dx][c] for dy, dx in offsets) for c in range(3)]
    down = [sum(SOBEL_X[dx + 1][dy + 1] * at[dy, dx][c] for dy, dx in offsets) for c in range(3)]
    return {'max': max, 'sum': sum}[rule](abs(across[c]) + abs(down[c]) for c in range(3))


def pic_of(image, top, left, window):
    """PIC of one window, from its pixels."""
    return ringed_sums(window_with_ring(image, top, left, window)[None]).item()


@given(IMAGES, RULES)
def test_gradient_is_the_sobel_operator_with_reflected_edges(image, rule):
    expected = [[gradient_by_hand(image, y, x, rule) for x in range(image.shape[1])] for y in range(image.shape[0])]
    np.testing.assert_array_equal(gradient_map(image, rule), expected)


@given(IMAGES, RULES, st.integers(1, 10))
def test_every_window_and_every_patch(image, rule, window):
    height, width, _ = image.shape
    gradient = [[gradient_by_hand(image, y, x, rule) for x in range(width)] for y in range(height)]
    sums = window_sums(gradient_map(image, rule), window)
    if window > min(height, width):
        assert sums.shape == (0, 0)
        return
    assert sums.shape == (height - window + 1, width - window + 1)
    corners = [(top, left) for top in range(height - window + 1) for left in range(width - window + 1)]
    expected = [
        sum(gradient[y][x] for y in range(top, top + window) for x in range(left, left + window))
        for top, left in corners
    ]
    assert sums.ravel().tolist() == expected
    regions = np.stack([window_with_ring(image, *corner, window) for corner in corners])
    assert regions.shape[1:] == (window + 2, window + 2, 3)
    assert ringed_sums(regions, rule).tolist() == expected


def test_a_patch_sees_its_true_neighbours_and_not_its_own_reflection():
    image = np.zeros((5, 8, 3), np.uint8)
    image[:, 4:] = 255
    # The step lies between columns 3 and 4: the windows of 2 columns beside it contain one column of gradient each.
    np.testing.assert_array_equal(window_sums(gradient_map(image), 2)[0] // (2 * 4 * 255), [0, 0, 1, 2, 1, 0, 0])
    assert pic_of(image, 0, 2, 2) == 2 * 4 * 255
    assert pic_of(image[:, 2:4].copy(), 0, 0, 2) == 0


def test_channels_are_merged_per_pixel():
    image = np.zeros((3, 6, 3), np.uint8)
    image[:, 2:, 0] = 10  # steps between columns 1 and 2 in blue, 3 and 4 in red
    image[:, 4:, 2] = 7
    assert gradient_map(image, 'max')[1].tolist() == [0, 40, 40, 28, 28, 0]
    image[:, 2:, 1] = 1
    assert gradient_map(image, 'sum')[1].tolist() == [0, 44, 44, 28, 28, 0]


def test_no_pattern_exceeds_the_bound_that_32_bits_rest_on():
    patterns = (np.array(np.unravel_index(code, (2,) * 9)).reshape(3, 3, 1) * 255 for code in range(512))
    largest = max(int(gradient_map(np.repeat(p, 3, axis=2).astype(np.uint8), 'max')[1, 1]) for p in patterns)
    # Upper left against lower right: the corner and the two edges on one side count 2 each in |Gx| + |Gy|.
    assert largest == 6 * 255
    assert 837**2 * 3 * largest < 837**2 * 3 * MAX_GRADIENT < 2**32


def test_grey_image_equals_its_three_equal_channels(textured):
    grey = textured(9, 11, 80, 1)[..., 0]
    np.testing.assert_array_equal(gradient_map(grey), gradient_map(np.repeat(grey[..., None], 3, axis=2)))


@settings(max_examples=20)
@given(st.integers(0, 3), st.integers(0, 3), st.integers(1, 5))
def test_a_view_gives_what_its_copy_gives(top, left, window):
    whole = np.random.default_rng(5).integers(0, 256, (12, 13, 3), dtype=np.uint8)
    whole.flags.writeable = False
    view = whole[top : top + 8, left : left + 9]
    np.testing.assert_array_equal(gradient_map(view), gradient_map(view.copy()))
    assert pic_of(view, 1, 2, window) == pic_of(view.copy(), 1, 2, window)


def test_sums_are_exact_beyond_32_bits_of_integral():
    # The integral image ends at 3000 * 3000 * 1530 = 1.4e10 and wraps around three times.
    gradient = np.full((3000, 3000), 1530, np.uint16)
    gradient[-5:, -5:] = 7
    sums = window_sums(gradient, 800)
    assert sums[0, 0] == 800 * 800 * 1530
    assert sums[-1, -1] == (800 * 800 - 25) * 1530 + 25 * 7
    assert sums[-1, -2] == (800 * 800 - 20) * 1530 + 20 * 7


@pytest.mark.parametrize(('value', 'window'), [(65535, 256), (65535, 257), (6120, 837), (6120, 838), (65535, 400)])
def test_sums_are_exact_on_both_sides_of_32_bits(value, window):
    values = np.full((window + 2, window + 1), value, np.uint16)
    values[-1, -1] = 1
    sums = window_sums(values, window)
    assert sums.dtype == (np.uint32 if value * window**2 < 2**32 else np.uint64)
    assert sums.tolist() == [[value * window**2] * 2] * 2 + [[value * window**2, value * (window**2 - 1) + 1]]


def test_sums_are_those_of_an_independent_filter(textured):
    gradient = gradient_map(textured(70, 50, 60, 2), 'sum')
    direct = cv2.boxFilter(gradient.astype(np.float64), -1, (12, 12), anchor=(0, 0), normalize=False)[:59, :39]
    np.testing.assert_array_equal(window_sums(gradient, 12), np.rint(direct))


def test_unknown_channel_rule():
    with pytest.raises(InputError, match=r"pic_channels is 'mean': use 'max' or 'sum'"):
        gradient_map(np.zeros((3, 3, 3), np.uint8), 'mean')
