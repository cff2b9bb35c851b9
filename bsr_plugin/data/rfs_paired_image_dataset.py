"""``RFSPairedImageDataset``: LR/HR pairs whose batches are balanced by patch information capacity."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from basicsr.utils import get_root_logger
from basicsr.utils.dist_util import get_dist_info
from basicsr.utils.registry import DATASET_REGISTRY
from numpy.typing import NDArray
from torch.utils.data import Dataset, get_worker_info

from bsr_plugin.data.collate import Images, patches_of
from bsr_plugin.data.pairs import PairedStores, require
from bsr_plugin.data.patch import oriented, to_uint8_images, write_planes
from bsr_plugin.data.pic_index_of import index_of
from bsr_plugin.data.uint8_images import UInt8Images
from bsr_plugin.errors import InputError
from bsr_plugin.pic.intervals import IntervalRule
from bsr_plugin.pic.measure import ringed_sums, window_with_ring
from bsr_plugin.pic.sampling import Draws, batch_generator, make_sampler

_COUNTER_ROWS = 257


@DATASET_REGISTRY.register()
class RFSPairedImageDataset(Dataset):
    """Paired images for super resolution, sampled by random filter sampling (paper, section III-B).

    In the training phase a whole batch is drawn at once, as a pure function of (seed, rank, number of patches the
    rank drew before): the same batches for any number of workers, no batch twice, and a resumed run goes on with the
    batch it would have drawn. In the validation and test phases it gives whole images, in order.

    A training sample has ``lq`` (3, w, w) and ``gt`` (3, s*w, s*w), float32 RGB in [0, 1]; ``lq_path`` and
    ``gt_path``; ``pic``, the patch's mean gradient in grey levels, and ``pic_bin``, its interval. Other samples have
    the first four.

    Args:
        opt: The options; they are not changed.

            * ``dataroot_gt``, ``dataroot_lq``: HR and LR store, LMDBs (``bsr prepare``'s or BasicSR's) or folders.
            * ``io_backend``: ``{type: lmdb}`` or ``{type: disk}``.
            * ``scale``, ``phase``: put there by BasicSR.
            * ``gt_size``: side of an HR patch, a multiple of the scale (training).
            * ``sampling``: ``rfs`` (default), ``uniform`` or ``rejection``.
            * ``pic_bins`` (16), ``pic_quantile`` (0.999), ``pic_edges`` (none): the intervals.
            * ``pic_channels``: ``max`` (default) or ``sum``.
            * ``num_candidates``: images M a batch is drawn from; by default the batch size.
            * ``use_hflip``, ``use_rot`` (both on): mirror with probability one half; turn by 0, 90, 180 or 270
              degrees with equal probability.
            * ``filename_tmpl`` (``'{}'``): LR name for an HR name in folders, such as ``'{}x4'``.
            * ``uint8`` (off): give ``lq`` and ``gt`` as ``UInt8Images``, which become floats on the device.
            * ``seed``: of the stream of batches; by default the run's ``manual_seed``.

    Raises:
        InputError: An option or a store is invalid; the message names it.
    """

    #: Training samples are numbers of a stream of patches, not images; see ``bsr_plugin.toolbox.sampler``.
    numbers_patches = True

    def __init__(self, opt: Mapping[str, Any]):
        super().__init__()
        self.opt = opt
        self._pairs = PairedStores.open(opt)
        self._as_uint8 = bool(opt.get('uint8', False))
        if opt.get('phase') == 'train':
            self._set_up_training(opt)

    def _set_up_training(self, opt: Mapping[str, Any]) -> None:
        require(opt, 'gt_size')
        gt_size, scale = int(opt['gt_size']), self._pairs.scale
        if gt_size < scale or gt_size % scale:
            fit = max(scale, gt_size // scale * scale)
            raise InputError(f'gt_size is {gt_size}, not a multiple of the scale {scale}: use {fit} or {fit + scale}.')
        self._window = gt_size // scale
        self._channels = opt.get('pic_channels', 'max')
        self.index = index_of(self._pairs.lr, self._window, self._channels, IntervalRule.from_options(opt))
        self._sampler = make_sampler(opt.get('sampling', 'rfs'), self.index, opt.get('num_candidates'), self._measure)
        self._turning, self._mirroring = bool(opt.get('use_rot', True)), bool(opt.get('use_hflip', True))
        self._rank, _ = get_dist_info()
        # BasicSR seeds each rank with manual_seed + rank before it builds the data sets.
        seed = opt.get('seed')
        self._seed = (torch.initial_seed() - self._rank if seed is None else int(seed)) % 2**64
        #: Widened and displaced draws, a row for each worker process so that none has to wait for another.
        self._counters = torch.zeros(_COUNTER_ROWS, 2, dtype=torch.int64).share_memory_()
        self._reported = torch.zeros(2, dtype=torch.int64)
        small = len(self) - self.index.usable.size
        if small:
            get_root_logger().warning(
                f'{small} of {len(self)} images {"is" if small == 1 else "are"} smaller than the {self._window} pixel '
                'LR window and not drawn.'
            )

    def __len__(self) -> int:
        """Number of image pairs."""
        return len(self._pairs)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Training: the first patch of a batch of one. Otherwise: the whole pair."""
        if self.opt.get('phase') == 'train':
            return self.__getitems__([index])[0]
        lq, gt = (to_uint8_images(pair(index)) for pair in (self._pairs.lr_image, self._pairs.hr_image))
        lq_path, gt_path = self._pairs.paths(index)
        return {'lq': self._given(lq), 'gt': self._given(gt), 'lq_path': lq_path, 'gt_path': gt_path}

    def __getitems__(self, indices: Sequence[int]) -> Sequence[dict[str, Any]]:
        """Draws one batch; PyTorch's loader calls this with the indices of a whole batch.

        Args:
            indices: In training, consecutive numbers of the rank's stream of patches, of which the first says which
                batch this is. Otherwise positions of pairs.

        Raises:
            InputError: The numbers are not consecutive: a sampler that shuffles gave them.
        """
        if self.opt.get('phase') != 'train':
            return [self[index] for index in indices]
        number, size = int(indices[0]), len(indices)
        if list(indices) != list(range(number, number + size)):
            raise InputError(
                f'The data set {self.opt.get("name", "")} draws its own patches and was given shuffled indices: use '
                'bsr_plugin.toolbox.sampler.ResumableSampler, or a loader with shuffle=False.'
            )
        generator = batch_generator(self._seed, self._rank, number)
        draws = self._sampler.draw(generator, size, number // size)
        turns = generator.integers(0, 4 if self._turning else 1, size)
        mirrored = generator.random(size) < 0.5 * self._mirroring
        self._count(draws)
        images = draws.images.tolist()
        lq, gt, pics = self._pixels(draws, turns.tolist(), mirrored.tolist())
        lq_paths, gt_paths = zip(*map(self._pairs.paths, images), strict=True)
        return patches_of(
            {'lq': lq, 'gt': gt},
            {'lq_path': lq_paths, 'gt_path': gt_paths, 'pic': pics.tolist(), 'pic_bin': draws.intervals.tolist()},
        )

    def _pixels(
        self, draws: Draws, turns: list[int], mirrored: list[bool]
    ) -> tuple[Images, Images, NDArray[np.float64]]:
        """LQ and GT of a batch, and the mean gradients of its LR patches."""
        number, window, scale = len(turns), self._window, self._pairs.scale
        side = window * scale
        rings = np.empty((number, window + 2, window + 2, 3), np.uint8)
        lqs = np.empty((number, 3, window, window), np.uint8)
        gts = np.empty((number, 3, side, side), np.uint8)
        tops, lefts = np.divmod(draws.positions, self.index.grid[draws.images, 1])
        places = zip(draws.images.tolist(), tops.tolist(), lefts.tolist(), turns, mirrored, strict=True)
        for (image, top, left, turn, mirror), ring, lq, gt in zip(places, rings, lqs, gts, strict=True):
            ring[:] = window_with_ring(self._pairs.lr_image(image), top, left, window)
            write_planes(oriented(ring[1:-1, 1:-1], turn, mirror), lq)
            y, x = top * scale, left * scale
            write_planes(oriented(self._pairs.hr_image(image)[y : y + side, x : x + side], turn, mirror), gt)
        pics = ringed_sums(rings, self._channels) / window**2
        batch = [self._given(UInt8Images(torch.from_numpy(planes))) for planes in (lqs, gts)]
        return batch[0], batch[1], pics

    def _given(self, images: UInt8Images) -> Images:
        return images if self._as_uint8 else images.to('cpu')

    def _measure(self, image: int, position: int) -> int:
        top, left = divmod(position, int(self.index.grid[image, 1]))
        region = window_with_ring(self._pairs.lr_image(image), top, left, self._window)
        return int(ringed_sums(region[None], self._channels)[0])

    def _count(self, draws: Draws) -> None:
        if draws.widened or draws.displaced:
            worker = get_worker_info()
            row = 0 if worker is None else worker.id % (_COUNTER_ROWS - 1) + 1
            counters = self._counters.numpy()
            counters[row, 0] += draws.widened
            counters[row, 1] += draws.displaced

    def begin_epoch(self) -> None:
        """Logs how many draws of the epoch before had to leave their candidates."""
        total = self._counters.sum(dim=0)
        widened, displaced = (total - self._reported).tolist()
        self._reported = total
        if widened or displaced:
            get_root_logger().info(
                f'RFS since the last epoch: {widened} patches from outside their candidate images, whose windows miss '
                f'the interval; {displaced} from the nearest interval, theirs being empty in the whole data set.'
            )
