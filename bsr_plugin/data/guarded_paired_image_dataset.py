"""``GuardedPairedImageDataset``: BasicSR's ``PairedImageDataset`` with pairs that are checked."""

from collections.abc import Mapping
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from basicsr.data.paired_image_dataset import PairedImageDataset
from basicsr.utils import scandir
from numpy.typing import NDArray

from bsr_plugin.data.dataset_options import NOT_OF_STORES, NOT_READ, StockOptions, StockTrainingOptions
from bsr_plugin.data.image_file import image_size, read_image
from bsr_plugin.data.pairs import Names, Size, check_overhang, check_sizes, partners
from bsr_plugin.data.store import LMDBStore
from bsr_plugin.errors import InputError
from bsr_plugin.parallel import ordered_map


class GuardedPairedImageDataset(PairedImageDataset):
    """BasicSR's ``PairedImageDataset``, which names what is wrong with its images instead of going on or breaking off.

    Samples, their order and the random numbers drawn are the toolbox's. Partners are found by name before the first
    image is read, and in training all sizes are compared with the scale and with ``gt_size``. Otherwise an HR image
    may exceed its LR image by up to 11 pixels, which the toolbox cuts off. Images are read as everywhere in this
    package (:func:`bsr_plugin.data.image_file.decode`), from raw stores of ``bsr prepare`` too; other keys of
    ``io_backend`` than ``type`` change nothing then.

    Args:
        opt: BasicSR's options, with ``io_backend.type`` ``disk`` or ``lmdb``; they are not changed.

    Raises:
        InputError: An option is invalid, or images do not belong together. In validation and test, a single image that
            is damaged or does not fit its partner is an error when it is asked for.
    """

    def __init__(self, opt: Mapping[str, Any]) -> None:
        options = (StockTrainingOptions if opt['phase'] == 'train' else StockOptions).of(opt)
        own = {**deepcopy(dict(opt)), **{key: str(Path(opt[key])) for key in ('dataroot_gt', 'dataroot_lq')}}
        readers: dict[str, type[_Files] | type[_LMDBs]] = {'disk': _Files, 'lmdb': _LMDBs}
        backend = (own.get('io_backend') or {}).get('type')
        if backend not in readers:
            raise InputError(f"io_backend type is '{backend}': use disk, lmdb or memcached.")
        images = readers[backend](options)
        self.paths: list[dict[str, str]]
        try:
            super().__init__(own)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f'meta_info_file {options.meta_info_file} cannot be read ({error}).') from error
        if backend == 'disk' and options.meta_info_file is not None:
            _check_listed(options.meta_info_file, self.paths)
        # Where the toolbox's __getitem__ looks for a reader before it makes one.
        self.file_client = images
        #: Names of the HR images.
        self.names = [Path(pair['gt_path']).stem for pair in self.paths]
        if isinstance(options, StockTrainingOptions):
            self._check_training(options)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The toolbox's sample: a random patch in training, otherwise the whole pair.

        Raises:
            InputError: An image cannot be read, or is not the size of its partner.
        """
        if self.opt['phase'] != 'train':
            hr, lr = self._size('gt', index), self._size('lq', index)
            check_overhang(hr, lr, int(self.opt['scale']), self.paths[index]['lq_path'], self.paths[index]['gt_path'])
        return dict(super().__getitem__(index))

    def _size(self, side: str, index: int) -> Size:
        return self.file_client.size(self.paths[index][f'{side}_path'], side)

    def _check_training(self, options: StockTrainingOptions) -> None:
        gt_size, every = options.gt_size, range(len(self.paths))
        lr, hr = (np.array(list(ordered_map(partial(self._size, side), every))) for side in ('lq', 'gt'))
        check_sizes(hr, lr, options.scale, [(pair['lq_path'], pair['gt_path']) for pair in self.paths])
        small = np.flatnonzero(hr.min(axis=1) < gt_size)
        if small.size:
            (height, width), path = hr[small[0]], self.paths[small[0]]['gt_path']
            raise InputError(
                f'{path} is {height}x{width}, smaller than gt_size {gt_size} ({small.size} of {len(hr)} images): '
                'remove such images, or use a smaller gt_size.'
            )


class _Files:
    """Image files by path; stands in for the toolbox's ``FileClient``."""

    def __init__(self, options: StockOptions) -> None:
        if options.meta_info_file is None:
            hr, lr = (_listing(Path(root)) for root in (options.dataroot_gt, options.dataroot_lq))
            partners(hr, lr, lambda name: options.lr_name(Path(name).stem) + Path(name).suffix)

    def size(self, path: str, side: str) -> Size:
        """Height and width by the file's header."""
        return image_size(Path(path))

    def get(self, path: str, side: str) -> NDArray[np.uint8]:
        """An image as the toolbox wants it, encoded."""
        return _encoded(read_image(Path(path)))


class _LMDBs:
    """Images of two LMDBs by key; stands in for the toolbox's ``FileClient``."""

    def __init__(self, options: StockOptions) -> None:
        for option, unset in NOT_OF_STORES.items():
            if (value := getattr(options, option)) != unset:
                raise InputError(f'{option} {value} {NOT_READ}.')
        roots = {'gt': options.dataroot_gt, 'lq': options.dataroot_lq}
        for side, root in roots.items():
            if Path(root).suffix != '.lmdb':
                raise InputError(
                    f'dataroot_{side} is {root}: PairedImageDataset wants the name of an LMDB to end in .lmdb.'
                )
        self._stores = {side: LMDBStore(Path(root)) for side, root in roots.items()}
        partners(self._stores['gt'], self._stores['lq'])
        self._positions = {
            side: {entry.key: position for position, entry in enumerate(store.entries)}
            for side, store in self._stores.items()
        }
        dotted = [key for key in self._positions['gt'] if '.' in key]
        if dotted:
            raise InputError(
                f'{options.dataroot_gt} has an image {dotted[0]}, a name that PairedImageDataset cuts at its dot: use '
                'RFSPairedImageDataset, or make the store with bsr prepare.'
            )

    def size(self, path: str, side: str) -> Size:
        """Height and width by ``meta_info.txt``."""
        size: NDArray[np.int64] = self._stores[side].sizes[self._positions[side][path]]
        return size

    def get(self, path: str, side: str) -> NDArray[np.uint8]:
        """An image as the toolbox wants it, encoded."""
        return _encoded(self._stores[side].image(self._positions[side][path]))


def _check_listed(meta_info_file: str, paths: list[dict[str, str]]) -> None:
    absent = [path for pair in paths for path in pair.values() if not Path(path).is_file()]
    if absent or not paths:
        reason = f'{absent[0]}, which is not there ({len(absent)} missing)' if absent else 'no image'
        raise InputError(f'meta_info_file {meta_info_file} names {reason}: put the list or the folders right.')


def _listing(root: Path) -> Names:
    if not root.is_dir():
        raise InputError(f'{root} is not a folder: give a folder of images.')
    names = sorted(scandir(str(root)))
    if not names:
        raise InputError(f'{root} holds no image: give a folder of images.')
    return Names(root, names)


def _encoded(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    # The toolbox decodes what its reader gives; of all formats, this one costs least.
    return cv2.imencode('.bmp', image)[1]
