import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bsr_plugin.upscaling.pixels import for_all_bands, to_pixels, to_tensor


@settings(deadline=None, max_examples=50)
@given(st.data(), st.sampled_from([np.uint8, np.uint16]), st.sampled_from([1, 3]))
def test_pixels_without_alpha_survive_the_way_there_and_back(data, dtype, bands):
    pixels = data.draw(arrays(dtype, (3, 2, bands)))
    tensor = to_tensor(pixels)
    assert tensor.shape == (1, bands, 3, 2)
    assert float(tensor.max()) == pytest.approx(pixels.max() / np.iinfo(dtype).max, abs=1e-6)
    assert (to_pixels(tensor, dtype) == pixels).all()


@settings(deadline=None, max_examples=50)
@given(arrays(np.uint8, (4, 3, 4)))
def test_with_alpha_colours_survive_as_far_as_they_can_be_seen(pixels):
    back = to_pixels(to_tensor(pixels), np.uint8)
    alpha = pixels[..., 3:].astype(int)
    assert (back[..., 3:] == alpha).all()
    # Rounded once more after the division by alpha: off by half a level of what is seen.
    seen = (back[..., :3].astype(int) - pixels[..., :3]) * alpha / 255
    assert np.abs(seen).max(initial=0) <= 0.5
    assert (back[..., :3][alpha[..., 0] == 0] == 0).all()
    assert (back[alpha[..., 0] == 255] == pixels[alpha[..., 0] == 255]).all()


def test_what_leaves_the_range_is_clipped_and_what_lies_between_levels_is_rounded():
    image = torch.tensor([-0.5, 0.4 / 255, 0.6 / 255, 1.5]).view(1, 1, 1, 4)
    assert to_pixels(image, np.uint8).ravel().tolist() == [0, 0, 1, 255]
    assert to_pixels(image, np.uint16).ravel().tolist() == [0, 103, 154, 65535]
    assert to_pixels(image, np.float32).ravel().tolist() == pytest.approx([0, 0.4 / 255, 0.6 / 255, 1])


def blurring(image):
    """Doubles an image, with a blur across the whole of it: each pixel feels its neighbours."""
    large = image.repeat_interleave(2, -1).repeat_interleave(2, -2)
    return torch.nn.functional.avg_pool2d(torch.nn.functional.pad(large, (2, 2, 2, 2), mode='replicate'), 5, 1)


def test_what_is_transparent_does_not_bleed_into_its_neighbours():
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:, :4] = (200, 100, 50, 255)
    pixels[:, 4:, :3] = (0, 255, 0)  # green, and nobody is to see it
    result = to_pixels(for_all_bands(blurring)(to_tensor(pixels)), np.uint8)
    visible = result[..., 3] > 0
    assert 0 < result[:, 8, 3].max() < 255, 'the edge is soft'
    assert np.abs(result[visible][:, :3].astype(int) - (200, 100, 50)).max() <= 1
    naive = to_pixels(blurring(torch.from_numpy(pixels[..., :3] / np.float32(255)).movedim(-1, 0)[None]), np.uint8)
    assert np.abs(naive[:, 8].astype(int) - (200, 100, 50)).max() > 50, 'as it would be without'


def test_alpha_that_is_the_same_everywhere_stays_so():
    darkening = for_all_bands(lambda image: 0.8 * blurring(image))
    pixels = np.full((4, 4, 2), 255, np.uint8)
    result = to_pixels(darkening(to_tensor(pixels)), np.uint8)
    assert (result[..., 1] == 255).all()
    assert (result[..., 0] == 204).all()


def test_grey_is_the_mean_of_what_three_equal_channels_give():
    def rgb(image):
        assert (image[:, 0] == image[:, 2]).all()
        return blurring(image) * torch.tensor([0.2, 0.5, 0.8]).view(1, 3, 1, 1)

    image = torch.rand(1, 1, 5, 6)
    torch.testing.assert_close(for_all_bands(rgb)(image), 0.5 * blurring(image))
