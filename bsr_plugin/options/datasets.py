"""``datasets``: the training set, the validation or test sets, and how they are loaded."""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import model_validator

from bsr_plugin.errors import InputError
from bsr_plugin.options.classes import Backend, by_type
from bsr_plugin.schema.section import Section
from bsr_plugin.schema.values import Count, CountOrZero, PathComponent, Positive, Real, Whole
from bsr_plugin.pic.intervals import IntervalRule
from bsr_plugin.pic.sampling import SamplingRule


class StoreBackend(Section):
    """Where the images are read from. BasicSR's own data sets take any backend of its `FileClient`."""

    type: Literal['disk', 'lmdb']
    """Image files in a folder, or an LMDB store of `bsr prepare` or of BasicSR."""


class AnySet(Section):
    """What every data set takes."""

    unread: ClassVar[Collection[str]] = ('use_shuffle',)

    name: PathComponent
    """Name of the data set in logs and results."""
    type: str
    """The data set class."""
    scale: Count | None = None
    """Given by `scale` at the top; if it is here too, it must be the same."""
    pin_memory: bool = False
    """Whether the data loader copies batches into pinned (page-locked) memory, from which copies to a GPU are
    asynchronous."""
    persistent_workers: bool = False
    """Whether worker processes are kept alive between epochs."""


class PairedSet(AnySet):
    """Pairs of LR and HR images."""

    dataroot_gt: str
    """Folder or LMDB store of the HR images (ground truth)."""
    dataroot_lq: str
    """Folder or LMDB store of the LR images."""
    io_backend: Backend
    """Where the images are read from."""
    filename_tmpl: str = '{}'
    """Name of an LR file beside the name of its HR file `{}`, without the extension."""


class Loading(Section):
    """How a training set is loaded."""

    num_worker_per_gpu: CountOrZero
    """Worker processes of the data loader for each GPU; 0 loads in the main process."""
    batch_size_per_gpu: Count
    """Batch size for each GPU, in pairs of patches."""
    dataset_enlarge_ratio: Count = 1
    """Number of passes over the images that make an epoch."""
    prefetch_mode: Literal['cpu', 'cuda'] | None = None
    """cpu: a thread prefetches batches; cuda: the next batch is copied to the GPU on its own stream; ~ does neither."""
    num_prefetch_queue: Count = 1
    """Size of the prefetch queue in batches, with `prefetch_mode: cpu`."""


class Cropping(Section):
    """How training patches are cropped and augmented."""

    gt_size: Count
    """Side of the HR patches in pixels; a multiple of `scale`."""
    use_hflip: bool
    """Augmentation: random horizontal flips."""
    use_rot: bool
    """Augmentation: random rotations by 90, 180 and 270 degrees."""


class StockPairs(PairedSet):
    """BasicSR's PairedImageDataset, for validation and test."""

    type: Literal['PairedImageDataset']
    """The data set class."""
    meta_info_file: str | None = None
    """A list of the HR files to use; ~ uses all."""
    mean: list[Real] | None = None
    """Normalization: mean of each channel, in [0, 1], which is subtracted."""
    std: list[Positive] | None = None
    """Normalization: standard deviation of each channel, which the result is divided by."""
    color: Literal['y'] | None = None
    """y: only the Y channel of YCbCr."""


class StockTrainingPairs(Loading, Cropping, StockPairs):
    """BasicSR's PairedImageDataset, for training."""


class RFSPairs(PairedSet):
    """RFSPairedImageDataset, for validation and test: whole images from LMDB stores or folders."""

    type: Literal['RFSPairedImageDataset']
    """The data set class."""
    io_backend: StoreBackend
    """Where the images are read from."""
    uint8: bool = False
    """Whether images are loaded as uint8, a quarter of the bytes, and converted to float32 on the device."""


class RFSTrainingPairs(Loading, Cropping, RFSPairs):
    """RFSPairedImageDataset, for training: batches drawn by random filter sampling (section III-B of the paper)."""

    use_hflip: bool = True
    """Augmentation: random horizontal flips."""
    use_rot: bool = True
    """Augmentation: random rotations by 90, 180 and 270 degrees."""
    sampling: Literal['rfs', 'uniform', 'band', 'rejection'] = 'rfs'
    """rfs: batches with the same number of patches from every PIC interval, or as `pic_balance` says; uniform: patches
    as they come, the ablation "w/o RFS"; band: uniform, but for a share from a band of each image's own quantiles;
    rejection: the paper's loop as it is written, with the law of rfs and much slower."""
    pic_bins: Whole = IntervalRule.bins
    """Number p of PIC intervals; 1 to 256."""
    pic_quantile: Real = IntervalRule.quantile
    """Intervals of equal width reach from 0 to this quantile of the PIC of all windows, above 0 and up to 1; the last
    one is open above."""
    pic_edges: list[Real] | None = None
    """Increasing edges 0, k_1, ..., k_p of the intervals in grey levels, in place of `pic_bins` and `pic_quantile`."""
    pic_spacing: Literal['width', 'quantile'] = IntervalRule.spacing
    """width: intervals of equal width; quantile: intervals that hold equal numbers of windows."""
    pic_channels: Literal['max', 'sum'] = 'max'
    """A pixel's gradient: the largest of its three channels', or their sum."""
    pic_score: str = 'gradient'
    """What the intervals are of. gradient: PIC, the mean gradient; residual: the mean absolute difference between the
    HR image and the bicubic one; or a folder of grey PNG files, 8 or 16 bits, named as the LR images and of their
    size."""
    pic_balance: Real | dict[str, Any] | None = None
    """Strength t of rfs and rejection, 0 to 1: an interval of probability P under uniform sampling is drawn in
    proportion to P^(1 - t). 0 is the law of uniform, 1 (~) draws all intervals alike;
    `{from: 0, to: 1, between: [0, 20000]}` is linear in the iteration."""
    pic_band: dict[str, Any] | None = None
    """The share of a batch that band draws between two quantiles of an image's scores, to within an interval; ~ is
    `{share: 0.5, quantiles: [0.5, 0.95]}`."""
    num_candidates: Count | Literal['all'] | None = None
    """Number M of images that a batch is drawn from; ~ is the size of the batch."""
    image_choice: Literal['share', 'spread'] | None = None
    """How rfs chooses a candidate for an interval. share (~): by the share of its windows in there, as the paper's loop
    does; spread: the one that was used least in the batch."""
    seed: CountOrZero | None = None
    """Seed of the stream of batches; ~ is `manual_seed`."""

    @model_validator(mode='after')
    def _sampling(self) -> 'RFSTrainingPairs':
        given = self.model_dump(exclude_unset=True)
        count = IntervalRule.from_options(given).count
        SamplingRule.from_options(given)
        if self.pic_edges and 'pic_bins' in self.model_fields_set and self.pic_bins != count:
            raise InputError(
                f'pic_bins is {self.pic_bins}, and pic_edges has {count} intervals: leave one of the two out'
            )
        return self


class BenchmarkSet(AnySet):
    """SRBenchmarkDataset, for validation and test: whole images, whose LR images are made as they are read."""

    type: Literal['SRBenchmarkDataset']
    """The data set class."""
    dataroot_gt: str
    """Folder or LMDB store of the HR images, as `bsr download` puts them there."""
    dataroot_lq: str | None = None
    """Folder or LMDB store of LR images; ~ makes them from the HR images, for bicubic those of MATLAB bit for bit."""
    io_backend: StoreBackend | None = None
    """Where the images are read from; ~ is image files."""
    degradation: Literal['bicubic', 'blur-down'] = 'bicubic'
    """How the LR images are, or were, made; also which table of the paper `bsr report` puts the results in."""
    filename_tmpl: str = '{}'
    """Name of an LR file beside the name of its HR file `{}`, without the extension."""


class OtherSet(AnySet):
    """Any other registered data set; its class looks up keys of its own."""

    open: ClassVar[bool | None] = True

    dataroot_gt: str | None = None
    """Folder or LMDB store of the ground truth."""
    dataroot_lq: str | None = None
    """Folder or LMDB store of the inputs."""
    io_backend: Backend | None = None
    """Where the images are read from."""


class OtherTrainingSet(Loading, OtherSet):
    """Any other registered data set, for training."""


#: Data sets of pairs, which are declared key by key.
PAIRED = ('PairedImageDataset', 'RFSPairedImageDataset', 'SRBenchmarkDataset')
TrainingSet = Annotated[Section, by_type('data set', StockTrainingPairs, RFSTrainingPairs, other=OtherTrainingSet)]
EvaluationSet = Annotated[Section, by_type('data set', StockPairs, RFSPairs, BenchmarkSet, other=OtherSet)]


class TestDatasets(Section):
    """Any number of test sets: `test_1`, `test_2` and so on."""

    __pydantic_extra__: dict[str, EvaluationSet]
    open: ClassVar[bool | None] = False
    phases: ClassVar[tuple[str, ...]] = ('test', 'val')

    @classmethod
    def known(cls, given: Mapping[str, Any]) -> Collection[str]:
        """Whatever begins with a phase."""
        own = [key for key in given if key.partition('_')[0] in cls.phases]
        return dict.fromkeys([*cls.model_fields, *cls.phases, *own])

    @model_validator(mode='after')
    def _one_at_least(self) -> 'TestDatasets':
        if not self.model_fields_set:
            raise InputError('has no set; give one, such as test_1')
        return self


class TrainingDatasets(TestDatasets):
    """The training set, and any number of validation sets: `val`, `val_2` and so on."""

    phases: ClassVar[tuple[str, ...]] = ('val',)
    train: TrainingSet
    """The training set."""


def sets_in(options: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The data sets of an option file, right or wrong, that are mappings."""
    datasets = options.get('datasets')
    found = datasets.items() if isinstance(datasets, dict) else ()
    return {key: dataset for key, dataset in found if isinstance(dataset, dict)}
