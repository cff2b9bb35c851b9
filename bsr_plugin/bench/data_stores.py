"""The stores that benchmarks measure on, and the data sets on them."""

from collections.abc import Iterator
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bsr_plugin.data.degradation import crop_to_multiple, degrade
from bsr_plugin.data.image_file import list_images, read_image
from bsr_plugin.data.store_write import Encoding, StoreWriter, make_record
from bsr_plugin.errors import InputError
from bsr_plugin.parallel import ordered_map
from bsr_plugin.progress import progress

#: BasicSR's documentation cuts training images into HR sub-images of this side, this far apart.
SUB_IMAGE, SUB_IMAGE_STEP = 480, 240
_BATCH = 64

Pair = tuple[str, NDArray[np.uint8], NDArray[np.uint8]]


def training_set(stores: tuple[Path, Path], scale: int, window: int, batch: int, **further: Any) -> dict[str, Any]:
    """Options of a training set on an HR and an LR store, which is read in the process itself."""
    return {
        'name': 'bench',
        'type': 'RFSPairedImageDataset',
        'phase': 'train',
        'dataroot_gt': str(stores[0]),
        'dataroot_lq': str(stores[1]),
        'io_backend': {'type': 'lmdb'},
        'gt_size': window * scale,
        'scale': scale,
        'batch_size_per_gpu': batch,
        'num_worker_per_gpu': 0,
        **further,
    }


def sub_image_stores(images: Path, out: Path, scale: int) -> tuple[Path, Path]:
    """HR and LR PNG LMDBs as BasicSR's documentation recommends: sub-images, or whole images where they are smaller."""
    side, step = SUB_IMAGE // scale * scale, SUB_IMAGE_STEP // scale * scale

    def pairs() -> Iterator[Pair]:
        """Sub-images in order, each with its LR partner cut from the LR image of the whole."""
        for file in list_images(images):
            hr = crop_to_multiple(read_image(file), scale)
            lr = degrade(hr, scale, 'bicubic')
            if min(hr.shape[:2]) < side:
                yield file.stem, hr, lr
                continue
            rows, columns = (_starts(length, side, step) for length in hr.shape[:2])
            for number, (y, x) in enumerate(product(rows, columns)):
                small = lr[y // scale : (y + side) // scale, x // scale : (x + side) // scale]
                yield f'{file.stem}_s{number:03d}', hr[y : y + side, x : x + side], small

    return _write(pairs(), out / 'HR_sub.lmdb', out / 'LR_sub.lmdb', 'png', 'sub-images')


def tiled_stores(images: Path, out: Path, scale: int, number: int, side: int) -> tuple[Path, Path]:
    """Raw HR and LR stores of a given number of tiles, all different: the images, shifted cyclically, cut to ``side``.

    Raises:
        InputError: An image is smaller than ``side``.
    """
    sources = [read_image(file) for file in list_images(images)[:64]]
    sources = [image for image in sources if min(image.shape[:2]) >= side]
    if not sources:
        raise InputError(f'{images} has no image of {side} pixels or more in both directions among the first 64.')

    def pair(position: int) -> Pair:
        image = sources[position % len(sources)]
        shift = position // len(sources)
        hr = np.ascontiguousarray(np.roll(image, (13 * shift, 29 * shift), axis=(0, 1))[:side, :side])
        return f'{position:05d}', hr, degrade(hr, scale, 'bicubic')

    pairs = progress(ordered_map(pair, range(number)), total=number, label=f'Store of {number}', unit='image')
    return _write(iter(pairs), out / f'HR_{number}.lmdb', out / f'LR_{number}.lmdb', 'raw', f'tiles {number}')


def _starts(length: int, side: int, step: int) -> list[int]:
    """Left edges of sub-images; the last one is flush with the end."""
    return [*range(0, length - side, step), length - side]


def _write(pairs: Iterator[Pair], hr_path: Path, lr_path: Path, encoding: Encoding, made: str) -> tuple[Path, Path]:
    # Sizes are not known in advance; the database grows when its map is full.
    writers = [StoreWriter(path, encoding, {'kind': made}, 1 << 22, 0) for path in (hr_path, lr_path)]
    for writer in writers:
        writer.begin()
    while batch := list(islice(pairs, _BATCH)):
        for which, writer in enumerate(writers, 1):
            images = [(entry[0], np.ascontiguousarray(entry[which])) for entry in batch]
            writer.add([make_record(name, image, encoding) for name, image in images])
    for writer in writers:
        writer.seal()
        writer.publish()
    return hr_path, lr_path
