"""``SRBenchmarkDataset``: HR images for a test, with LR images beside them or made as they are read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
from basicsr.utils.registry import DATASET_REGISTRY
from numpy.typing import NDArray
from torch.utils.data import Dataset

from bsr_plugin.data.degradation import Degradation, crop_to_multiple, degrade
from bsr_plugin.data.image_file import list_images, read_image
from bsr_plugin.data.patch import to_tensor
from bsr_plugin.data.store import open_store
from bsr_plugin.errors import InputError

#: HR pixels by which an HR image may exceed its LR image: what cutting to a multiple of 12 takes off.
_LARGEST_OVERHANG = 11
#: Side of SSIM's window.
_SSIM_WINDOW = 11
#: Mean squared difference that two versions of one picture may show, on top of this share of their variances.
_TOLERANCE, _SHARE = 100.0, 0.6

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class _Source:
    """An image that has not been read yet."""

    path: str
    read: Callable[[], Image]


@DATASET_REGISTRY.register()
class SRBenchmarkDataset(Dataset):
    """Whole image pairs of a benchmark set, in order.

    Without LR images the HR images are cut to a multiple of the scale and degraded as the paper has it, which for
    ``bicubic`` gives MATLAB's LR images bit for bit. With LR images, an HR image that is up to 11 pixels larger is
    cut on the right and below, as BasicSR does it: published LR images stem from HR images that were cut.

    A sample has ``lq`` (3, h, w) and ``gt`` (3, s*h, s*w), float32 RGB in [0, 1], ``lq_path`` and ``gt_path``.

    Args:
        opt: The options; they are not changed.

            * ``dataroot_gt``: folder or LMDB of HR images.
            * ``dataroot_lq``: folder or LMDB of LR images; left out, they are made.
            * ``io_backend``: ``{type: disk}`` (default) or ``{type: lmdb}``, for both.
            * ``degradation``: ``bicubic`` (default) or ``blur-down``: how LR images are, or were, made.
            * ``filename_tmpl`` (``'{}'``): LR name for an HR name, such as ``'{}x4'``.
            * ``scale``: put there by BasicSR.

    Raises:
        InputError: An option is unfit, a folder holds no images, or an image of a pair is missing. A single image
            that is damaged, too small or does not fit its partner is an error when it is asked for.
    """

    def __init__(self, opt: Mapping[str, Any]):
        super().__init__()
        self.opt = opt
        label = f'The data set {opt.get("name", "")}'
        for key in ('dataroot_gt', 'scale'):
            if opt.get(key) is None:
                raise InputError(f'{label} lacks the option {key}.')
        self._degradation: Degradation = opt.get('degradation') or 'bicubic'
        if self._degradation not in get_args(Degradation):
            raise InputError(
                f"{label} has degradation '{self._degradation}': use {' or '.join(get_args(Degradation))}."
            )
        self._scale = int(opt['scale'])
        backend = (opt.get('io_backend') or {}).get('type', 'disk')
        self._hr = _sources(Path(opt['dataroot_gt']), backend)
        self._lr: dict[str, _Source] | None = None
        if opt.get('dataroot_lq') is not None:
            self._lr = _sources(Path(opt['dataroot_lq']), backend)
            _check_partners(self._hr, self._lr, opt)
        #: Names of the HR images, without folder and extension.
        self.names = list(self._hr)

    def __len__(self) -> int:
        """Number of HR images."""
        return len(self.names)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The pair at a position.

        Raises:
            InputError: An image cannot be read, is too small, or the two do not belong together.
        """
        source = self._hr[self.names[index]]
        partner = None if self._lr is None else self._lr[_lr_name(self.names[index], self.opt)]
        hr = source.read()
        if partner is None:
            hr = self._checked_size(crop_to_multiple(hr, self._scale), source.path)
            lr = degrade(hr, self._scale, self._degradation)
        else:
            lr = partner.read()
            hr = _cut_to_partner(hr, lr, self._scale, source.path, partner.path)
            hr = self._checked_size(hr, source.path)
            _check_content(hr, lr, source.path, partner.path)
        lq_path = (partner or source).path
        return {'lq': to_tensor(lr), 'gt': to_tensor(hr), 'lq_path': lq_path, 'gt_path': source.path}

    def _checked_size(self, hr: Image, path: str) -> Image:
        if min(hr.shape[:2]) < _SSIM_WINDOW + 2 * self._scale:
            raise InputError(f'{path} is {_size(hr)}, too small to be measured at scale {self._scale}.')
        return hr


def _sources(root: Path, backend: str) -> dict[str, _Source]:
    if backend == 'disk':
        sources: dict[str, _Source] = {}
        for file in list_images(root):
            if file.stem in sources:
                raise InputError(f'{root} has two images named {file.stem}: remove one of them.')
            sources[file.stem] = _Source(str(file), partial(read_image, file))
        return sources
    store = open_store(root, backend)
    return {
        name: _Source(f'{root}/{name}.png', partial(store.image, position)) for position, name in enumerate(store.names)
    }


def _lr_name(name: str, opt: Mapping[str, Any]) -> str:
    return str(opt.get('filename_tmpl') or '{}').format(name)


def _check_partners(hr: dict[str, _Source], lr: dict[str, _Source], opt: Mapping[str, Any]) -> None:
    expected = {_lr_name(name, opt) for name in hr}
    without_lr, without_hr = sorted(expected - set(lr)), sorted(set(lr) - expected)
    if without_lr:
        raise InputError(
            f'{opt["dataroot_lq"]} has no image {without_lr[0]} ({len(without_lr)} missing): add it, or leave '
            'dataroot_lq out to have LR images made.'
        )
    if without_hr:
        raise InputError(
            f'{opt["dataroot_gt"]} has no image for {without_hr[0]} in {opt["dataroot_lq"]} '
            f'({len(without_hr)} missing): add it, or remove the LR image.'
        )


def _cut_to_partner(hr: Image, lr: Image, scale: int, hr_path: str, lr_path: str) -> Image:
    height, width = lr.shape[0] * scale, lr.shape[1] * scale
    overhang = (hr.shape[0] - height, hr.shape[1] - width)
    if min(overhang) < 0 or max(overhang) > _LARGEST_OVERHANG:
        raise InputError(f'{lr_path} is {_size(lr)} and {hr_path} {_size(hr)}, which is not {scale} times as much.')
    return hr[:height, :width]


def _check_content(hr: Image, lr: Image, hr_path: str, lr_path: str) -> None:
    """Finds images that were mixed up: unrelated pictures differ by the sum of their variances."""
    small = cv2.resize(hr, (lr.shape[1], lr.shape[0]), interpolation=cv2.INTER_AREA).astype(np.float64)
    difference = np.mean((small - lr) ** 2)
    if difference > _TOLERANCE + _SHARE * (small.var() + lr.var()):
        raise InputError(f'{lr_path} does not show what {hr_path} shows: one of them has the wrong name.')


def _size(image: Image) -> str:
    return f'{image.shape[0]}x{image.shape[1]}'
