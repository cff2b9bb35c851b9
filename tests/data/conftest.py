"""Folders of images and stores made from them."""

import json
import logging
from hashlib import sha1

import cv2
import numpy as np
import pytest
import torch
from basicsr.utils import get_root_logger

from bsr_plugin.data import hr_images as hr_images_module
from bsr_plugin.data.prepare import Preparation, prepare
from bsr_plugin.data.store_write import StoreWriter


@pytest.fixture(scope='session')
def picture():
    """(height, width, 3) uint8: smooth on the left, noisier and noisier to the right."""

    def make(height, width, seed=0):
        rng = np.random.default_rng(seed)
        rows, columns = np.mgrid[:height, :width]
        smooth = np.stack([rows, columns / 2, (rows + columns) / 3], axis=2)
        noise = rng.normal(0, 1, (height, width, 3)) * np.linspace(-20, 60, width).clip(0)[None, :, None]
        return np.clip(smooth + 60 + noise, 0, 255).astype(np.uint8)

    return make


@pytest.fixture(scope='session')
def write_images():
    """Writes ``{file name: pixels}`` into a folder, whatever characters the names have."""

    def write(folder, images):
        folder.mkdir(parents=True, exist_ok=True)
        for name, pixels in images.items():
            done, data = cv2.imencode(name[name.rindex('.') :], pixels)
            assert done
            (folder / name).write_bytes(data.tobytes())
        return folder

    return write


@pytest.fixture
def prepare_interrupted(monkeypatch):
    """Prepares, is interrupted at the batch with this number, counted over both stores, and prepares again."""

    def run(task, stop):
        add, calls = StoreWriter.add, []

        def stopping(self, batch):
            calls.append(None)
            if len(calls) == stop:
                raise KeyboardInterrupt
            add(self, batch)

        with monkeypatch.context() as patched:
            patched.setattr(StoreWriter, 'add', stopping)
            with pytest.raises(KeyboardInterrupt):
                prepare(task)
        return prepare(task)

    return run


@pytest.fixture
def prepare_until(monkeypatch):
    """Prepares, and is interrupted while the image of this name is read."""

    def run(task, name):
        read = hr_images_module.read_image

        def stopping(path):
            if path.name == name:
                raise KeyboardInterrupt
            return read(path)

        with monkeypatch.context() as patched:
            patched.setattr(hr_images_module, 'read_image', stopping)
            with pytest.raises(KeyboardInterrupt):
                prepare(task)

    return run


@pytest.fixture(scope='session')
def hr_images(picture):
    """Images of different sizes, none a multiple of 2 or 3; the last is smaller than a 12 pixel window at x2."""
    sizes = [(61, 49), (53, 73), (47, 91), (65, 35), (19, 41)]
    return {f'{name}.png': picture(*size, seed) for seed, (name, size) in enumerate(zip('bdace', sizes, strict=True))}


@pytest.fixture(scope='session')
def hr_folder(tmp_path_factory, write_images, hr_images):
    return write_images(tmp_path_factory.mktemp('hr'), hr_images)


@pytest.fixture(scope='session')
def stores(tmp_path_factory, hr_folder):
    """Prepared raw stores at x2 with a window of 12 and 4 intervals; tests leave them as they are."""
    from bsr_plugin.pic.intervals import IntervalRule

    out = tmp_path_factory.mktemp('stores')
    return prepare(Preparation(hr_folder, out, 2, lr_window=12, intervals=IntervalRule(bins=4)))


@pytest.fixture
def options(stores):
    """Options of a training set on ``stores``; ``options(key=value)`` changes or adds, ``key=None`` removes."""

    def make(**changes):
        opt = {
            'name': 'Toy',
            'type': 'RFSPairedImageDataset',
            'phase': 'train',
            'scale': 2,
            'dataroot_gt': str(stores.hr_path),
            'dataroot_lq': str(stores.lr_path),
            'io_backend': {'type': 'lmdb'},
            'gt_size': 24,
            'pic_bins': 4,
            'use_hflip': True,
            'use_rot': True,
            'batch_size_per_gpu': 4,
            'num_worker_per_gpu': 0,
            'dataset_enlarge_ratio': 3,
            'seed': 7,
            **changes,
        }
        return {key: value for key, value in opt.items() if value is not None}

    return make


@pytest.fixture
def as_text():
    """A batch as JSON that differs whenever a pixel, path, PIC or interval does; patches are given by digests."""

    def plain(value):
        if not torch.is_tensor(value):
            return value
        return value.tolist() if value.ndim < 2 else [sha1(patch.numpy().tobytes()).hexdigest() for patch in value]

    def text(batch):
        return json.dumps({key: plain(value) for key, value in batch.items()}, sort_keys=True)

    return text


@pytest.fixture
def log():
    """The messages that the toolbox's logger gets during the test."""
    messages = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    logger = get_root_logger()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield messages
    logger.setLevel(level)
    logger.removeHandler(handler)
