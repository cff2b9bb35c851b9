import numpy as np
import pytest
import torch

from bsr_plugin.archs.bsr_arch import BSRNet
from bsr_plugin.upscaling.files import FileSettings, upscale_files
from bsr_plugin.upscaling.plan import Job
from bsr_plugin.upscaling.strips import Tiling

SMALL_TILES = Tiling(16, 4)


class Doubling:
    """Nearest-neighbour upsampling: an independent answer for every pixel; see ``RGBNetwork``."""

    name, reach, precision = 'nearest', 0, 'float32'

    def __init__(self, scale=2):
        self.scale = scale

    def __call__(self, image):
        return image.repeat_interleave(self.scale, -1).repeat_interleave(self.scale, -2)


@pytest.fixture
def nearest():
    return Doubling()


def save_tiny(path, scale=2, **arguments):
    """Writes a checkpoint of a small BSRNet with random weights, which is not nearest-neighbour upsampling."""
    torch.manual_seed(7)
    net = BSRNet(num_feat=4, num_group=1, num_block=1, upscale=scale, upsampler='direct', **arguments)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    torch.save({'params': net.state_dict()}, path)
    return net.eval()


@pytest.fixture(scope='session')
def tiny(tmp_path_factory):
    """A file of weights of a small BSRNet x2."""
    path = tmp_path_factory.mktemp('weights') / 'tiny_x2.pth'
    save_tiny(path)
    return path


@pytest.fixture
def noise():
    return lambda *shape, dtype=np.uint8: np.random.default_rng(3).integers(0, np.iinfo(dtype).max + 1, shape, dtype)


@pytest.fixture
def upscaled(tmp_path):
    """Upscales one file and gives the outcome."""

    def run(source, target, **settings):
        return upscale_files(
            [Job(source, tmp_path / target)], Doubling(), FileSettings(**{'tiling': SMALL_TILES} | settings)
        )

    return run


def done(outcome):
    assert not outcome.failed
    (path,) = outcome.done
    return path


def reason(outcome):
    assert not outcome.done
    (sentence,) = outcome.failed.values()
    assert '\n' not in sentence
    return sentence


def doubled(pixels):
    return pixels.repeat(2, 0).repeat(2, 1)
