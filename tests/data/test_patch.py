import numpy as np
import pytest
import torch

from bsr_plugin.data.patch import oriented, to_tensor, to_uint8_images, write_planes

PATCH = np.arange(3 * 4 * 3, dtype=np.uint8).reshape(3, 4, 3) * 7
WAYS = [(turns, mirrored) for turns in range(4) for mirrored in (False, True)]


@pytest.mark.parametrize(('turns', 'mirrored'), WAYS)
@pytest.mark.parametrize('size', [(1, 1), (2, 5), (7, 7), (32, 32)])
def test_mirroring_left_and_right_then_turning_clockwise(size, turns, mirrored):
    patch = np.random.default_rng(size).integers(0, 256, (*size, 3), dtype=np.uint8)
    expected = np.rot90(patch[:, ::-1] if mirrored else patch, -turns)
    np.testing.assert_array_equal(oriented(patch, turns, mirrored), expected)


def test_the_eight_results_differ():
    patch = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    assert len({oriented(patch, *way).tobytes() for way in WAYS}) == 8


@pytest.mark.parametrize(('turns', 'mirrored'), WAYS)
def test_patches_are_read_from_read_only_views_and_written_into_a_batch(turns, mirrored):
    whole = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    whole.flags.writeable = False
    view = whole[2:7, 3:8]
    batch = np.zeros((3, 3, 5, 5), np.uint8)
    write_planes(oriented(view, turns, mirrored), batch[1])
    expected = np.rot90(view[:, ::-1] if mirrored else view, -turns)
    for plane, channel in zip(batch[1], (2, 1, 0), strict=True):
        np.testing.assert_array_equal(plane, expected[..., channel])
    assert not batch[[0, 2]].any()


def test_tensors_are_rgb_planes():
    tensor = to_tensor(PATCH)
    assert tensor.dtype == torch.float32
    assert tensor.shape == (3, 3, 4)
    for channel in range(3):
        expected = torch.tensor(PATCH[..., 2 - channel].tolist(), dtype=torch.float32) / 255
        torch.testing.assert_close(tensor[channel], expected, rtol=0, atol=0)
    integers = to_uint8_images(PATCH).integers
    assert integers.dtype == torch.uint8
    assert integers[0].tolist() == PATCH[..., 2].tolist()


@pytest.mark.parametrize('convert', [to_tensor, lambda patch: to_uint8_images(patch).integers])
def test_tensors_are_copies(convert):
    patch = PATCH[:1, :1].copy()
    patch.flags.writeable = False
    tensor = convert(patch)
    tensor.zero_()
    assert patch.tolist() == PATCH[:1, :1].tolist()
    assert tensor.is_contiguous()


def test_extremes():
    assert to_tensor(np.full((1, 1, 3), 255, np.uint8)).unique().tolist() == [1.0]
    assert to_tensor(np.zeros((1, 1, 3), np.uint8)).unique().tolist() == [0.0]
