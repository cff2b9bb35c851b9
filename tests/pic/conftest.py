"""Small stores in memory and their indexes."""

import hashlib
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import settings

from bsr_plugin.pic.index import IndexKey, PICIndex
from bsr_plugin.pic.index_build import build_index
from bsr_plugin.pic.intervals import IntervalRule

settings.register_profile('repeatable', deadline=None, derandomize=True)
settings.load_profile('repeatable')


@dataclass
class ImagesInMemory:
    """LR images without a store."""

    pixels: list[np.ndarray]
    sizes: np.ndarray = field(init=False)
    digest: str = field(init=False)

    def __post_init__(self):
        self.sizes = np.array([image.shape[:2] for image in self.pixels], np.int64).reshape(-1, 2)
        self.digest = hashlib.sha1(b''.join(image.tobytes() for image in self.pixels)).hexdigest()

    def image(self, position):
        return self.pixels[position]


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
        images = ImagesInMemory(pixels)
        key = IndexKey(window, channels, IntervalRule(**intervals), images.digest)
        return build_index(images, key, tmp_path_factory.mktemp('index') / 'pic.idx')

    return build
