"""Multiply-accumulates, counted by hand layer by layer."""

import pytest
import torch
from torch import nn

from bsr_plugin.archs.bsr_arch import BSRNet
from bsr_plugin.models.cost import macs_per_pixel


def body(features, groups, blocks, expansion=1):
    """Multiply-accumulates of a BSRNet up to the fusion, for an LR pixel."""
    blocks = groups * blocks * 2 * 9 * features * expansion * features
    attention = groups * 9 * features
    return 9 * 3 * features + blocks + attention + (groups + 1) * features * features


@pytest.mark.parametrize(
    ('options', 'per_lr_pixel'),
    [
        # Convolution to 4 * 5 channels, shuffle, convolution to RGB on 4 pixels.
        ({'upscale': 2}, body(5, 2, 3) + 9 * 5 * 20 + 4 * 9 * 5 * 3),
        ({'upscale': 3}, body(5, 2, 3) + 9 * 5 * 45 + 9 * 9 * 5 * 3),
        # Two stages: the second on 4 pixels; the last convolution on 16.
        ({'upscale': 4}, body(5, 2, 3) + (1 + 4) * 9 * 5 * 20 + 16 * 9 * 5 * 3),
        ({'upscale': 4, 'upsampler': 'direct', 'expansion': 4}, body(5, 2, 3, 4) + 9 * 5 * 48),
        ({'upscale': 2, 'attention': 'none'}, body(5, 2, 3) - 2 * 9 * 5 + 9 * 5 * 20 + 4 * 9 * 5 * 3),
    ],
)
def test_bsrnet(options, per_lr_pixel):
    network = BSRNet(num_feat=5, num_group=2, num_block=3, **options)
    assert macs_per_pixel(network) == pytest.approx(per_lr_pixel / options['upscale'] ** 2, rel=1e-12)


def test_networks_of_the_toolbox():
    from basicsr.archs import build_network

    edsr = build_network({'type': 'EDSR', 'num_in_ch': 3, 'num_out_ch': 3, 'num_feat': 8, 'num_block': 2, 'upscale': 2})
    counted = 9 * 3 * 8 + (2 * 2 + 1) * 9 * 8 * 8 + 9 * 8 * 32 + 4 * 9 * 8 * 3
    assert macs_per_pixel(edsr) == pytest.approx(counted / 4)


def test_the_network_stays_as_it_is():
    network = nn.Conv2d(1, 4, 3, 1, 1)
    assert macs_per_pixel(network, channels=1) == 36
    assert network(torch.zeros(1, 1, 5, 5)).device.type == 'cpu'
