import numpy as np
import pytest
import torch

from bsr_plugin.data.patch import augment, to_tensor

PATCH = np.arange(3 * 4 * 3, dtype=np.uint8).reshape(3, 4, 3) * 7


@pytest.mark.parametrize('mirrored', [False, True])
@pytest.mark.parametrize('turns', [0, 1, 2, 3])
def test_mirroring_left_and_right_then_turning_clockwise(turns, mirrored):
    expected = np.rot90(PATCH[:, ::-1] if mirrored else PATCH, -turns)
    np.testing.assert_array_equal(augment(PATCH, turns, mirrored), expected)


def test_the_eight_results_differ():
    results = {augment(PATCH, turns, mirrored).tobytes() for turns in range(4) for mirrored in (False, True)}
    assert len(results) == 8


def test_views_of_read_only_memory_are_turned_too():
    whole = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    whole.flags.writeable = False
    for turns in range(4):
        for mirrored in (False, True):
            view = whole[2:7, 3:8]
            np.testing.assert_array_equal(augment(view, turns, mirrored), augment(view.copy(), turns, mirrored))


def test_tensors_are_rgb_planes():
    tensor = to_tensor(PATCH)
    assert tensor.dtype == torch.float32
    assert tensor.shape == (3, 3, 4)
    for channel in range(3):
        expected = torch.tensor(PATCH[..., 2 - channel].tolist(), dtype=torch.float32) / 255
        torch.testing.assert_close(tensor[channel], expected, rtol=0, atol=0)
    integers = to_tensor(PATCH, as_uint8=True)
    assert integers.dtype == torch.uint8
    assert integers[0].tolist() == PATCH[..., 2].tolist()


@pytest.mark.parametrize('as_uint8', [False, True])
def test_tensors_are_copies(as_uint8):
    patch = PATCH[:1, :1].copy()
    patch.flags.writeable = False
    tensor = to_tensor(patch, as_uint8)
    tensor.zero_()
    assert patch.tolist() == PATCH[:1, :1].tolist()
    assert tensor.is_contiguous()


def test_extremes():
    assert to_tensor(np.full((1, 1, 3), 255, np.uint8)).unique().tolist() == [1.0]
    assert to_tensor(np.zeros((1, 1, 3), np.uint8)).unique().tolist() == [0.0]
