import numpy as np
import pytest
import torch
from basicsr.archs.rrdbnet_arch import RRDBNet
from basicsr.archs.swinir_arch import SwinIR
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import pad

from bsr_plugin.archs.bsr_arch import BSRNet
from bsr_plugin.models.padding import cropped, multiple_wanted_by, padded


@settings(deadline=None)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 16))
def test_padding_is_numpys_reflection_to_the_next_multiple(height, width, multiple):
    image = torch.rand(2, 3, height, width)
    result = padded(image, multiple)
    below, right = -height % multiple, -width % multiple
    expected = np.pad(image.numpy(), ((0, 0), (0, 0), (0, below), (0, right)), mode='reflect')
    assert np.array_equal(result.numpy(), expected)
    assert result.size(-2) % multiple == result.size(-1) % multiple == 0


def test_it_is_also_torchs_where_that_is_defined():
    image = torch.rand(1, 3, 13, 21)
    assert torch.equal(padded(image, 8), pad(image, (0, 3, 0, 3), mode='reflect'))


def test_an_image_that_fits_is_not_copied_and_its_result_is_not_cropped():
    image, result = torch.rand(1, 3, 16, 24), torch.rand(1, 3, 32, 48)
    assert padded(image, 8) is image
    assert cropped(result, image, image) is result


@pytest.mark.parametrize('scale', [1, 2, 3])
def test_cropping_undoes_the_padding_at_every_scale(scale):
    image = torch.rand(1, 3, 5, 9)
    whole = padded(image, 4)
    enlarged = whole.repeat_interleave(scale, -1).repeat_interleave(scale, -2)
    assert torch.equal(cropped(enlarged, image, whole), image.repeat_interleave(scale, -1).repeat_interleave(scale, -2))


class Windowed(nn.Module):
    """A network that carries its window, as HAT does."""

    def __init__(self, window=16):
        super().__init__()
        self.window_size = window


class ByArgument(nn.Module):
    """A network that takes a window and does not keep it, as BasicSR's SwinIR does."""

    def __init__(self, window_size=7):
        super().__init__()


def test_networks_tell_the_multiple_they_want():
    small = {'embed_dim': 6, 'depths': [2], 'num_heads': [2], 'window_size': 8, 'img_size': 16}
    assert multiple_wanted_by(SwinIR(**small), small) == 8
    assert multiple_wanted_by(ByArgument(), {}) == 7
    assert multiple_wanted_by(Windowed(), {}) == 16
    assert multiple_wanted_by(Windowed(), {'window_size': 3}) == 16, 'the network knows best'
    assert multiple_wanted_by(Windowed((8, 8)), {}) == 1, 'not one number'
    for scale, multiple in ((1, 4), (2, 2), (4, 1)):
        net = RRDBNet(3, 3, scale=scale, num_feat=4, num_block=1, num_grow_ch=2)
        assert multiple_wanted_by(net, {}) == multiple
        net(padded(torch.rand(1, 3, 7, 9), multiple))
    assert multiple_wanted_by(BSRNet(num_feat=4, num_group=1, num_block=1, upscale=2), {}) == 1
