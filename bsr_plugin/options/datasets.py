"""``datasets``: the training set, the validation or test sets, and how they are loaded."""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, ClassVar, Literal

from bsr_plugin.errors import InputError
from bsr_plugin.options.classes import by_type
from bsr_plugin.options.section import Section
from bsr_plugin.options.values import Count, CountOrZero, PathComponent, Positive, Real, Whole
from bsr_plugin.pic.intervals import IntervalRule


class IoBackend(Section):
    """Where the images are read from."""

    #: Arguments of BasicSR's readers.
    arguments: ClassVar[Mapping[str, tuple[str, ...]]] = {
        'lmdb': ('readonly', 'lock', 'readahead'),
        'memcached': ('server_list_cfg', 'client_cfg', 'sys_path'),
    }
    type: Literal['disk', 'lmdb', 'memcached']
    """Image files in a folder, an LMDB store, or a memcached server (toolbox's data sets only)."""

    @classmethod
    def known(cls, value: Mapping[str, Any]) -> list[str]:
        """`type`, and the arguments of the reader."""
        return ['type', *cls.arguments.get(str(value.get('type')), ())]


class OwnBackend(IoBackend):
    """Where the plugin's data set reads the images from."""

    arguments: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    type: Literal['disk', 'lmdb']
    """Image files in a folder, or an LMDB store of `bsr prepare` or of BasicSR."""


class AnySet(Section):
    """What every data set takes."""

    unread: ClassVar[Collection[str]] = ('use_shuffle',)

    name: PathComponent
    """Name of the set, as logs and results show it."""
    type: str
    """The data set class."""
    scale: Count | None = None
    """Given by `scale` at the top; if it is here too, it must be the same."""
    pin_memory: bool = False
    """Whether batches are put in pinned (page-locked) memory, which a GPU can copy from while it computes."""
    persistent_workers: bool = False
    """Whether worker processes outlive an epoch."""


class PairedSet(AnySet):
    """Pairs of LR and HR images."""

    dataroot_gt: str
    """Folder or LMDB store of the HR images (ground truth)."""
    dataroot_lq: str
    """Folder or LMDB store of the LR images."""
    io_backend: IoBackend
    """Where the images are read from."""
    filename_tmpl: str = '{}'
    """Name of an LR file beside the name of its HR file `{}`, without the extension."""


class Loading(Section):
    """How a training set is loaded."""

    num_worker_per_gpu: CountOrZero
    """Worker processes of the data loader, for each GPU; 0 loads in the training process."""
    batch_size_per_gpu: Count
    """Pairs of patches in a batch, for each GPU."""
    dataset_enlarge_ratio: Count = 1
    """An epoch goes through the images this many times."""
    prefetch_mode: Literal['cpu', 'cuda'] | None = None
    """cpu: a thread keeps batches ready; cuda: the next batch is copied to the GPU meanwhile; ~ does neither."""
    num_prefetch_queue: Count = 1
    """Batches kept ready with `prefetch_mode: cpu`."""


class Cropping(Section):
    """How training patches are cut and augmented."""

    gt_size: Count
    """Side of the HR patches in pixels; a multiple of `scale`."""
    use_hflip: bool
    """Whether patches are flipped at random."""
    use_rot: bool
    """Whether patches are turned by 90, 180 and 270 degrees at random."""


class StockPairs(PairedSet):
    """BasicSR's PairedImageDataset, for validation and test."""

    type: Literal['PairedImageDataset']
    """The data set class."""
    meta_info_file: str | None = None
    """A list of the HR files to use; ~ uses all."""
    mean: list[Real] | None = None
    """Mean colour that is subtracted, in [0, 1]."""
    std: list[Positive] | None = None
    """Standard deviation that is divided by."""
    color: Literal['y'] | None = None
    """y: only the Y channel of YCbCr."""


class StockTrainingPairs(Loading, Cropping, StockPairs):
    """BasicSR's PairedImageDataset, for training."""


class RFSPairs(PairedSet):
    """RFSPairedImageDataset, for validation and test: whole images from stores or folders."""

    type: Literal['RFSPairedImageDataset']
    """The data set class."""
    io_backend: OwnBackend
    """Where the images are read from."""
    uint8: bool = False
    """Whether images stay integers, a quarter of the bytes, until they are on the device."""


class RFSTrainingPairs(Loading, Cropping, RFSPairs):
    """RFSPairedImageDataset, for training: batches drawn by random filter sampling (section III-B of the paper)."""

    use_hflip: bool = True
    """Whether patches are flipped at random."""
    use_rot: bool = True
    """Whether patches are turned by 90, 180 and 270 degrees at random."""
    sampling: Literal['rfs', 'uniform', 'rejection'] = 'rfs'
    """rfs: batches with the same number of patches from every PIC interval; uniform: patches as they come, the
    ablation "w/o RFS"; rejection: the paper's loop as it is written, with the law of rfs and much slower."""
    pic_bins: Whole = IntervalRule.bins
    """Number p of PIC intervals, of one width; 1 to 256."""
    pic_quantile: Real = IntervalRule.quantile
    """The intervals reach from 0 to this quantile of the PIC of all windows, above 0 and up to 1; the last one is
    open above."""
    pic_edges: list[Real] | None = None
    """Increasing edges 0, k_1, ..., k_p of the intervals in grey levels, in place of `pic_bins` and `pic_quantile`."""
    pic_channels: Literal['max', 'sum'] = 'max'
    """A pixel's gradient: the largest of its three channels', or their sum."""
    num_candidates: Count | None = None
    """Number M of images that a batch is drawn from; ~ is the size of the batch."""
    seed: CountOrZero | None = None
    """Seed of the stream of batches; ~ is `manual_seed`."""

    def refusal(self) -> str:
        """What the rule of the intervals says."""
        try:
            count = IntervalRule.from_options(self.model_dump(include={'pic_bins', 'pic_quantile', 'pic_edges'})).count
        except InputError as error:
            return str(error)
        if self.pic_edges and 'pic_bins' in self.model_fields_set and self.pic_bins != count:
            return f'pic_bins is {self.pic_bins}, and pic_edges has {count} intervals: leave one of the two out'
        return ''


class BenchmarkSet(AnySet):
    """SRBenchmarkDataset, for validation and test: whole images, whose LR images are made as they are read."""

    type: Literal['SRBenchmarkDataset']
    """The data set class."""
    dataroot_gt: str
    """Folder or LMDB store of the HR images, as `bsr download` puts them there."""
    dataroot_lq: str | None = None
    """Folder or LMDB store of LR images; ~ makes them from the HR images, for bicubic those of MATLAB bit for bit."""
    io_backend: OwnBackend | None = None
    """Where the images are read from; ~ is image files."""
    degradation: Literal['bicubic', 'blur-down'] = 'bicubic'
    """How the LR images are, or were, made; also which table of the paper `bsr report` puts the results in."""
    filename_tmpl: str = '{}'
    """Name of an LR file beside the name of its HR file `{}`, without the extension."""


class OtherSet(AnySet):
    """Any other registered data set; its class looks up keys of its own."""

    open: ClassVar[bool] = True

    dataroot_gt: str | None = None
    """Folder or LMDB store of the ground truth."""
    dataroot_lq: str | None = None
    """Folder or LMDB store of the inputs."""
    io_backend: IoBackend | None = None
    """Where the images are read from."""


class OtherTrainingSet(Loading, OtherSet):
    """Any other registered data set, for training."""


TrainingSet = Annotated[Section, by_type('data set', StockTrainingPairs, RFSTrainingPairs, other=OtherTrainingSet)]
EvaluationSet = Annotated[Section, by_type('data set', StockPairs, RFSPairs, BenchmarkSet, other=OtherSet)]


class TestDatasets(Section):
    """Any number of test sets: `test_1`, `test_2` and so on."""

    __pydantic_extra__: dict[str, EvaluationSet]
    phases: ClassVar[tuple[str, ...]] = ('test', 'val')

    @classmethod
    def known(cls, value: Mapping[str, Any]) -> list[str]:
        """Whatever begins with a phase."""
        own = [key for key in value if key.partition('_')[0] in cls.phases]
        return list(dict.fromkeys([*cls.model_fields, *cls.phases, *own]))

    def refusal(self) -> str:
        """One there must be."""
        return '' if self.model_fields_set else 'has no set; give one, such as test_1'


class TrainingDatasets(TestDatasets):
    """The training set, and any number of validation sets: `val`, `val_2` and so on."""

    phases: ClassVar[tuple[str, ...]] = ('val',)
    train: TrainingSet
    """The training set."""
