"""Tiles and self-ensemble where a device runs out of memory."""

import logging
from contextlib import contextmanager, nullcontext
from functools import partial

import pytest
import torch
from torch import nn

from bsr_plugin.models.self_ensemble import x8
from bsr_plugin.models.tiling import Tiler

REACH, FEATURES = 3, 96


class Network(nn.Sequential):
    """Its features outweigh the image thirty times; out of memory above ``limit`` input values, if there is one."""

    limit = None

    def __init__(self):
        layers = [nn.Conv2d(3, FEATURES, 3, 1, 1), nn.Conv2d(FEATURES, FEATURES, 3, 1, 1)]
        super().__init__(*layers, nn.Conv2d(FEATURES, 12, 3, 1, 1), nn.PixelShuffle(2))

    def forward(self, x):
        if self.limit is not None and x.numel() > self.limit:
            raise torch.OutOfMemoryError('CPU out of memory.')
        return super().forward(x)


@contextmanager
def too_little_memory(network, image):
    """Leaves the GPU memory for one layer's features of the image, where two are needed; the CPU pretends to."""
    if image.is_cuda:
        torch.cuda.empty_cache()
        layer = 4 * FEATURES * image[0, 0].numel()
        total = torch.cuda.get_device_properties(image.device).total_memory
        torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 1.25 * layer) / total)
    else:
        network.limit = image.numel() // 2
    try:
        yield
    finally:
        network.limit = None
        if image.is_cuda:
            torch.cuda.set_per_process_memory_fraction(1.0)


@pytest.fixture
def network(device, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, 'allow_tf32', False)
    monkeypatch.setattr(torch.backends.cudnn, 'benchmark', False)
    return Network().to(device)


@pytest.fixture
def image(device):
    height, width = (600, 840) if device.type == 'cuda' else (60, 84)
    return torch.rand(1, 3, height, width).to(device)


def test_the_image_is_worked_through_in_tiles(network, image, caplog):
    with torch.no_grad():
        whole = network(image).cpu()
    tiler = Tiler(None, 8, logging.getLogger('memory'))
    with too_little_memory(network, image):
        result = tiler(network, image, reach=REACH)
    assert tiler.tile < image.size(-1)
    assert 'Out of memory' in caplog.text
    torch.testing.assert_close(result.cpu(), whole, rtol=1e-3, atol=1e-3)


def test_the_self_ensemble_survives_what_happens_after_its_first_pass(network, image):
    tiler = Tiler(None, 8, logging.getLogger('memory'))
    expected = x8(partial(tiler, network, reach=REACH), image)
    assert tiler.tile is None
    passes = iter(range(8))

    def infer(x):
        with nullcontext() if next(passes) == 0 else too_little_memory(network, x):
            return tiler(network, x, reach=REACH)

    result = x8(infer, image)
    assert tiler.tile < image.size(-1)
    torch.testing.assert_close(result.cpu(), expected.cpu(), rtol=1e-3, atol=1e-3)
