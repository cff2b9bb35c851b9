import logging

import numpy as np
import torch
from torch import nn
from torch._subclasses import FakeTensorMode
from torch.nn.functional import interpolate

from bsr_plugin.models.self_ensemble import x8
from bsr_plugin.models.tiling import Tiler


def test_the_result_is_the_mean_over_the_eight_symmetries_computed_with_numpy():
    net = nn.Sequential(nn.Conv2d(3, 12, 3, 1, 1), nn.PixelShuffle(2))
    image = torch.rand(1, 3, 9, 14)

    def apply(array):
        with torch.no_grad():
            return net(torch.from_numpy(array.copy()))[0].numpy()

    expected = np.zeros((3, 18, 28))
    for quarter in range(4):
        for mirrored in (False, True):
            turned = np.rot90(image.numpy(), quarter, (2, 3))
            turned = turned[..., ::-1] if mirrored else turned
            result = apply(turned)
            result = result[..., ::-1] if mirrored else result
            expected += np.rot90(result, -quarter, (1, 2))
    with torch.no_grad():
        got = x8(net, image)
    np.testing.assert_allclose(got[0].numpy(), expected / 8, atol=1e-6)


def test_what_treats_all_directions_alike_is_left_as_it_is():
    image = torch.rand(2, 3, 5, 8)
    torch.testing.assert_close(
        x8(lambda x: interpolate(x, scale_factor=3.0), image), interpolate(image, scale_factor=3.0)
    )


def test_every_symmetry_is_seen_once():
    seen = []
    x8(lambda x: seen.append(x.clone()) or x, torch.arange(6.0).view(1, 1, 2, 3))
    assert len({(tuple(x.shape), tuple(x.flatten().tolist())) for x in seen}) == 8


def test_a_gpu_that_runs_out_of_memory_at_a_later_turn_goes_on_in_tiles():
    """On fake tensors: they hold no values, but refuse as real ones to be added across devices."""
    calls = []

    def network(x):
        calls.append(x.device.type)
        if len(calls) > 1 and x.size(-1) * x.size(-2) > 40 * 40:
            raise torch.OutOfMemoryError('CUDA out of memory.')
        return interpolate(x, scale_factor=2)

    with FakeTensorMode():
        tiler = Tiler(None, 4, logging.getLogger('self_ensemble'))
        result = x8(lambda x: tiler(network, x), torch.ones(1, 3, 50, 64, device='cuda'))
    assert set(calls) == {'cuda'}
    assert result.shape == (1, 3, 100, 128)
    assert tiler.tile == 32
