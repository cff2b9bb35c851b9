import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bsr_plugin.models.tiling import infer
from bsr_plugin.upscaling.network import TorchNetwork
from bsr_plugin.upscaling.strips import Tiling, upscale_strips
from tests.upscaling.conftest import Doubling, save_tiny


@pytest.fixture(scope='module')
def net(tmp_path_factory):
    return TorchNetwork(save_tiny(tmp_path_factory.mktemp('net') / 'x3.pth', scale=3), 'tiny', torch.device('cpu'))


def read_once(pixels):
    """Rows of an image that refuses to give a row twice, or out of turn."""
    position = 0

    def rows(start, stop):
        nonlocal position
        assert start == position
        position = stop
        return pixels[start:stop]

    return rows


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(16, 40), st.sampled_from([None, 0, 2, 7]))
def test_strips_are_the_whole_tiled_image_to_the_bit(net, height, width, tile, overlap):
    pixels = np.random.default_rng(height * 61 + width).integers(0, 256, (height, width, 3), np.uint8)
    tiling = Tiling(tile, overlap)
    strips = list(upscale_strips(net, read_once(pixels), (height, width), np.float32, tiling))
    image = torch.from_numpy(pixels.astype(np.float32) / 255).movedim(-1, 0)[None]
    whole = infer(net, image, tile, tiling.overlap_for(net), net.reach)
    assert (np.concatenate(strips) == whole.clamp(0, 1)[0].movedim(0, -1).numpy()).all()


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(24, 40))
def test_strips_are_what_the_network_gives_for_the_image_in_one_piece(net, height, width, tile):
    """The default overlap is the network's reach, with which tiling changes nothing but rounding."""
    pixels = np.random.default_rng(height + 61 * width).integers(0, 256, (height, width, 3), np.uint8)
    assert Tiling(tile).overlap_for(net) == net.reach
    strips = list(upscale_strips(net, read_once(pixels), (height, width), np.float32, Tiling(tile)))
    whole = net(torch.from_numpy(pixels.astype(np.float32) / 255).movedim(-1, 0)[None])
    np.testing.assert_allclose(np.concatenate(strips), whole.clamp(0, 1)[0].movedim(0, -1), rtol=0, atol=1e-5)


@pytest.mark.parametrize('bands', [1, 2, 3, 4])
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.float32])
def test_every_kind_of_pixels_in_many_tiles(bands, dtype):
    pixels = np.random.default_rng(5).random((70, 50, bands))
    pixels = (pixels * (np.iinfo(dtype).max if dtype != np.float32 else 1)).astype(dtype)
    if bands in (2, 4):
        pixels[..., -1] = np.iinfo(dtype).max if dtype != np.float32 else 1
        pixels[:30, :20, -1] = 0
    strips = list(upscale_strips(Doubling(), read_once(pixels), (70, 50), dtype, Tiling(16, 4)))
    expected = pixels.repeat(2, 0).repeat(2, 1)
    if bands in (2, 4):
        expected[:60, :40] = 0
    assert len(strips) > 5
    result = np.concatenate(strips)
    assert result.dtype == dtype
    if dtype == np.float32:
        np.testing.assert_allclose(result, expected, atol=1e-6)
    else:
        assert (result == expected).all()


def test_the_self_ensemble_is_the_mean_over_flips_and_rotations(net):
    pixels = np.random.default_rng(6).random((20, 24, 3), np.float32)
    image = torch.from_numpy(pixels).movedim(-1, 0)[None]
    results = []
    for turns in range(4):
        for flips in ((), (-1,)):
            turned = torch.rot90(torch.flip(image, flips), turns, (-2, -1))
            results.append(torch.flip(torch.rot90(net(turned), -turns, (-2, -1)), flips))
    expected = torch.stack(results).mean(0).clamp(0, 1)[0].movedim(0, -1).numpy()
    (strip,) = upscale_strips(net, read_once(pixels), (20, 24), np.float32, Tiling(), self_ensemble=True)
    np.testing.assert_allclose(strip, expected, atol=1e-5)
    (single,) = upscale_strips(net, read_once(pixels), (20, 24), np.float32, Tiling())
    assert np.abs(single - expected).max() > 1e-3


def test_every_tile_is_told_of_and_the_shares_add_up_to_one():
    shares = []
    pixels = np.zeros((100, 60, 3), np.uint8)
    list(upscale_strips(Doubling(), read_once(pixels), (100, 60), np.uint8, Tiling(32, 4), advance=shares.append))
    assert len(shares) == 4 * 3
    assert sum(shares) == pytest.approx(1)


def test_a_network_that_looks_far_or_does_not_say_how_far_gets_the_largest_overlap():
    network = Doubling()
    for reach, tile, overlap in ((None, 512, 48), (300, 512, 48), (20, 512, 20), (20, 40, 10)):
        network.reach = reach
        assert Tiling(tile).overlap_for(network) == overlap
