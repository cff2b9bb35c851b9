"""``SRBenchmarkDataset``: HR images for a test, with LR images beside them or made as they are read."""

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from basicsr.utils.registry import DATASET_REGISTRY
from numpy.typing import NDArray
from torch.utils.data import Dataset

from bsr_plugin.data.dataset_options import BenchmarkOptions
from bsr_plugin.data.degradation import crop_to_multiple, degrade
from bsr_plugin.data.pairs import check_overhang, check_unique, image_path, partners
from bsr_plugin.data.patch import to_tensor
from bsr_plugin.data.store import Store, open_store
from bsr_plugin.errors import InputError

#: Side of SSIM's window.
_SSIM_WINDOW = 11
#: Side of the squares over which means are compared, in LR pixels.
_SQUARE = 4
#: Mean squared difference that two versions of one picture may show, on top of this share of their variances.
_TOLERANCE, _SHARE = 100.0, 0.6

Image = NDArray[np.uint8]


@DATASET_REGISTRY.register()
class SRBenchmarkDataset(Dataset):
    """Whole image pairs of a benchmark set, in order.

    Without LR images the HR images are cut to a multiple of the scale and degraded as the paper has it, which for
    ``bicubic`` gives MATLAB's LR images bit for bit. With LR images, an HR image that is up to 11 pixels larger is
    cut on the right and below, as BasicSR does it: published LR images stem from HR images that were cut.

    A sample has ``lq`` (3, h, w) and ``gt`` (3, s*h, s*w), float32 RGB in [0, 1], ``lq_path`` and ``gt_path``.

    Args:
        opt: :class:`BenchmarkOptions`; they are not changed.

    Raises:
        InputError: An option is invalid, a folder holds no images, or an image of a pair is missing. A single image
            that is damaged, too small or does not fit its partner is an error when it is asked for.
    """

    def __init__(self, opt: Mapping[str, Any]):
        super().__init__()
        self.opt = opt
        options = BenchmarkOptions.of(opt)
        self._degradation, self._scale = options.degradation, options.scale
        # A test leaves out what is too small for its metrics, whose crop_border is no option of a data set.
        self._smallest = self._scale if opt.get('phase') == 'test' else _SSIM_WINDOW + 2 * self._scale
        self._hr = open_store(options.dataroot_gt, options.io_backend.type)
        check_unique(self._hr)
        self._lr: Store | None = None
        if options.dataroot_lq is not None:
            self._lr = open_store(options.dataroot_lq, options.io_backend.type)
            found = partners(self._hr, self._lr, options.lr_name)
            self._lr_positions = {hr: lr for lr, hr in enumerate(found)}
        #: Names of the HR images, without folder and extension.
        self.names = self._hr.names

    def __len__(self) -> int:
        """Number of HR images."""
        return len(self.names)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The pair at a position.

        Raises:
            InputError: An image cannot be read, is too small, or the two do not belong together.
        """
        hr, path = self._hr.image(index), image_path(self._hr, index)
        if self._lr is None:
            lr_path = path
            hr = self._checked_size(crop_to_multiple(hr, self._scale), path)
            lr = degrade(hr, self._scale, self._degradation)
        else:
            position = self._lr_positions[index]
            lr, lr_path = self._lr.image(position), image_path(self._lr, position)
            check_overhang(hr.shape[:2], lr.shape[:2], self._scale, lr_path, path)
            hr = self._checked_size(hr[: self._scale * lr.shape[0], : self._scale * lr.shape[1]], path)
            _check_content(hr, lr, path, lr_path)
        return {'lq': to_tensor(lr), 'gt': to_tensor(hr), 'lq_path': lr_path, 'gt_path': path}

    def _checked_size(self, hr: Image, path: str) -> Image:
        if min(hr.shape[:2]) < self._smallest:
            raise InputError(f'{path} is {hr.shape[0]}x{hr.shape[1]}, too small to be measured at scale {self._scale}.')
        return hr


def _check_content(hr: Image, lr: Image, hr_path: str, lr_path: str) -> None:
    """Finds images that were mixed up, by their pixels and by means over squares, which noise hardly changes."""
    height, width = lr.shape[:2]
    small = cv2.resize(hr, (width, height), interpolation=cv2.INTER_AREA)
    squares = max(1, width // _SQUARE), max(1, height // _SQUARE)
    means = [cv2.resize(image, squares, interpolation=cv2.INTER_AREA) for image in (small, lr)]
    if _are_unrelated(small, lr) and _are_unrelated(*means):
        raise InputError(f'{lr_path} does not show what {hr_path} shows: one of them has the wrong name.')


def _are_unrelated(first: NDArray[Any], second: NDArray[Any]) -> bool:
    """Whether two images of one size differ as unrelated pictures do, by the sum of their variances."""
    difference = np.mean((first.astype(np.float64) - second) ** 2)
    return bool(difference > _TOLERANCE + _SHARE * (first.var() + second.var()))
