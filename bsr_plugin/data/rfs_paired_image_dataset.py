"""``RFSPairedImageDataset``: LR/HR pairs whose batches are balanced by patch information capacity."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from basicsr.utils import get_root_logger
from basicsr.utils.dist_util import get_dist_info
from basicsr.utils.registry import DATASET_REGISTRY
from numpy.typing import NDArray
from torch.utils.data import Dataset

from bsr_plugin.data.collate import Images, patches_of
from bsr_plugin.data.dataset_options import RFSOptions, RFSTrainingOptions, misfit
from bsr_plugin.data.pairs import PairedStores
from bsr_plugin.data.patch import oriented, to_uint8_images, write_planes
from bsr_plugin.data.pic_index_store import open_or_build_index
from bsr_plugin.data.score_maps import maps_of
from bsr_plugin.data.uint8_images import UInt8Images
from bsr_plugin.errors import InputError
from bsr_plugin.pic.dist_info import DistInfo
from bsr_plugin.pic.draws import Draws
from bsr_plugin.pic.importance import Importance, ImportanceSampler
from bsr_plugin.pic.measure import ringed_sums, window_with_ring
from bsr_plugin.pic.sampling import make_sampler
from bsr_plugin.pic.stream import DrawStream
from bsr_plugin.pic.tally import tally

#: Of the batches of an epoch one in so many is drawn twice, the second time for the log. Drawing is a tenth of what a
#: batch costs, so this is about one percent; drawing by rejection is nearly all of it.
_LOGGED, _LOGGED_OF_REJECTION = 8, 64
#: Batches that are logged however short the epoch is; they take some milliseconds.
_LOGGED_ALWAYS = 32


@DATASET_REGISTRY.register()
class RFSPairedImageDataset(Dataset):
    """Paired images for super resolution, sampled by random filter sampling (paper, section III-B).

    In the training phase a whole batch is drawn at once, as a pure function of (seed, rank, number of patches the
    rank drew before): the same batches for any number of workers, no batch twice, and a resumed run goes on with the
    batch it would have drawn. In the validation and test phases it gives whole images, in order.

    A training sample has ``lq`` (3, w, w) and ``gt`` (3, s*w, s*w), float32 RGB in [0, 1]; ``lq_path`` and
    ``gt_path``; ``pic``, the patch's mean gradient in grey levels, and ``pic_bin``, the interval of ``pic_score`` that
    it was drawn from; with ``importance`` also ``pic_weight``, which the patch's loss is to be multiplied by. Other
    samples have the first four.

    Args:
        opt: :class:`RFSTrainingOptions`, in other phases :class:`RFSOptions`; they are not changed.

    Attributes:
        importance: The distribution of ``sampling: importance``, to be told the losses of the intervals between epochs;
            ``None`` for all other samplings. A batch is a function of the current distribution, too.

    Raises:
        InputError: An option or a store is invalid; the message names it.
    """

    #: Training samples are numbers of a stream of patches, not images; see ``bsr_plugin.toolbox.sampler``.
    numbers_patches = True

    def __init__(self, opt: Mapping[str, Any]):
        super().__init__()
        self.opt = opt
        options = (RFSTrainingOptions if opt.get('phase') == 'train' else RFSOptions).of(opt)
        self._pairs = PairedStores.open(options)
        self._as_uint8 = options.uint8
        self.importance: Importance | None = None
        if isinstance(options, RFSTrainingOptions):
            self._set_up_training(options)

    def _set_up_training(self, options: RFSTrainingOptions) -> None:
        if wrong := misfit(options.gt_size, options.scale):
            raise InputError(f'gt_size {wrong}')
        self._window = options.gt_size // options.scale
        self._channels = options.pic_channels
        score = maps_of(options.pic_score, self._pairs, self._channels)
        self.index = open_or_build_index(self._pairs.lr, self._window, self._channels, options.intervals, score)
        self._rank, ranks = get_dist_info()
        self._sampler = make_sampler(options.rule, self.index, self._measure, DistInfo(self._rank, ranks))
        if isinstance(self._sampler, ImportanceSampler):
            self.importance = self._sampler.importance
        self._logged = _LOGGED_OF_REJECTION if options.sampling == 'rejection' else _LOGGED
        self._turning, self._mirroring = options.use_rot, options.use_hflip
        # BasicSR seeds each rank with manual_seed + rank before it builds the data sets.
        seed = torch.initial_seed() - self._rank if options.seed is None else options.seed
        self._stream = DrawStream(self._sampler, seed % 2**64, self._rank)
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
        draws, generator = self._stream.batch(number, size)
        turns = generator.integers(0, 4 if self._turning else 1, size)
        mirrored = generator.random(size) < 0.5 * self._mirroring
        images = draws.images.tolist()
        lq, gt, pics = self._pixels(draws, turns.tolist(), mirrored.tolist())
        lq_paths, gt_paths = zip(*map(self._pairs.paths, images), strict=True)
        numbers: dict[str, NDArray[Any]] = {'pic': pics, 'pic_bin': draws.intervals}
        if draws.weights is not None:
            numbers['pic_weight'] = draws.weights
        return patches_of({'lq': lq, 'gt': gt}, {'lq_path': lq_paths, 'gt_path': gt_paths}, numbers)

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

    def begin_run(self, offset: int) -> None:
        """Has a run that was resumed with another batch count its iterations on, which ``pic_balance`` may depend on.

        It is to be called before worker processes start.

        Args:
            offset: Iterations that are done, less the batches of the present size that the rank's patches would be.
        """
        self._stream.begin_run(offset)

    def begin_epoch(self, numbers: range, batch_size: int) -> None:
        """Logs what the epoch draws from every interval, on rank 0; its first batches are drawn for that.

        Args:
            numbers: The patches of the epoch.
            batch_size: Patches in a batch.
        """
        batches = len(numbers) // batch_size
        looked_at = min(batches, max(_LOGGED_ALWAYS, -(-batches // self._logged)))
        if self._rank or not looked_at:
            return
        probabilities = None if self.importance is None else self.importance.probabilities()
        found = tally(self._replay(numbers[: looked_at * batch_size], batch_size), self.index.bins, probabilities)
        get_root_logger().info(
            f'Patches, different windows and different images by interval in {looked_at:,} of {batches:,} batches of '
            f'this epoch ({found.widened} from outside their candidate images, whose windows miss the interval; '
            f'{found.displaced} from the nearest interval, theirs being empty in the whole data set):\n{found}'
        )

    def _replay(self, numbers: range, batch_size: int) -> Iterator[Draws]:
        return (self._stream.batch(number, batch_size)[0] for number in numbers[::batch_size])
