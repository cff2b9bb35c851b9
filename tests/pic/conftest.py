"""Small stores in memory and their indexes."""

import hashlib
from dataclasses import dataclass, field

import numpy as np
import pytest

from bsr_plugin.pic.balance import BalanceRule
from bsr_plugin.pic.index import IndexKey, PICIndex
from bsr_plugin.pic.index_build import build_index
from bsr_plugin.pic.intervals import IntervalRule
from bsr_plugin.pic.measure import MAX_GRADIENT, gradient_map
from bsr_plugin.pic.sampling import SamplingRule, make_sampler


@dataclass
class ImagesInMemory:
    """Gradients of LR images without a store."""

    pixels: list[np.ndarray]
    channels: str = 'max'
    sizes: np.ndarray = field(init=False)
    digest: str = field(init=False)
    largest: int = 3 * MAX_GRADIENT
    parts: int = 1

    def __post_init__(self):
        self.sizes = np.array([image.shape[:2] for image in self.pixels], np.int64).reshape(-1, 2)
        self.digest = hashlib.sha1(b''.join(image.tobytes() for image in self.pixels)).hexdigest()

    def map(self, position):
        return gradient_map(self.pixels[position], self.channels)


@pytest.fixture(scope='session')
def in_memory():
    """Images as what the index is built from."""
    return ImagesInMemory


@pytest.fixture(scope='session')
def textured():
    """An image whose windows differ in PIC: noise whose strength grows from left to right up to ``contrast``."""

    def make(height, width, contrast, seed):
        noise = np.random.default_rng(seed).normal(0, 1, (height, width, 3))
        strength = np.linspace(0, contrast, width)[None, :, None]
        return np.clip(np.rint(128 + strength * noise), 0, 255).astype(np.uint8)

    return make


@pytest.fixture(scope='session')
def indexed(tmp_path_factory):
    """Builds an index: ``indexed(images, window, bins=..., edges=..., quantile=..., channels=...)``."""

    def build(pixels, window, channels='max', **intervals) -> PICIndex:
        images = ImagesInMemory(pixels, channels)
        key = IndexKey(window, channels, IntervalRule(**intervals), images.digest)
        return build_index(images, key, tmp_path_factory.mktemp('index') / 'pic.idx')

    return build


@pytest.fixture(scope='session')
def sampler_of():
    """Makes a sampler: ``sampler_of(kind, index, candidates, measure, balance=..., image_choice=..., band=...)``."""

    def make(kind, index, candidates=None, measure=None, balance=1.0, **further):
        return make_sampler(SamplingRule(kind, candidates, BalanceRule.from_option(balance), **further), index, measure)

    return make
