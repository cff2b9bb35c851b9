"""``datasets``: the training set, the validation or test sets, and how they are loaded."""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import model_validator

from bsr_plugin.data.dataset_options import (
    BenchmarkOptions,
    DatasetOptions,
    RFSOptions,
    RFSTrainingOptions,
    StockOptions,
    StockTrainingOptions,
)
from bsr_plugin.errors import InputError
from bsr_plugin.options.classes import Backend, by_type
from bsr_plugin.schema.section import Section
from bsr_plugin.schema.values import Count, CountOrZero, PathComponent


class AnySet(DatasetOptions):
    """What every data set takes."""

    unread: ClassVar[Collection[str]] = ('use_shuffle',)

    name: PathComponent
    """Name of the data set in logs and results."""
    type: str
    """The data set class."""
    scale: Count | None = None  # type: ignore[assignment]  # the data set is given that of the file
    """Given by `scale` at the top; if it is here too, it must be the same."""
    pin_memory: bool = False
    """Whether the data loader copies batches into pinned (page-locked) memory, from which copies to a GPU are
    asynchronous."""
    persistent_workers: bool = False
    """Whether worker processes are kept alive between epochs."""


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


class StockPairs(AnySet, StockOptions):
    """BasicSR's PairedImageDataset, for validation and test."""

    io_backend: Backend
    """Where the images are read from."""


class StockTrainingPairs(Loading, StockPairs, StockTrainingOptions):
    """BasicSR's PairedImageDataset, for training."""


class RFSPairs(AnySet, RFSOptions):
    """RFSPairedImageDataset, for validation and test: whole images from LMDB stores or folders."""


class RFSTrainingPairs(Loading, RFSPairs, RFSTrainingOptions):
    """RFSPairedImageDataset, for training: batches drawn by random filter sampling (section III-B of the paper)."""


class BenchmarkSet(AnySet, BenchmarkOptions):
    """SRBenchmarkDataset, for validation and test: whole images (`bsr download`), and LR images made of them."""


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


_TRAINING = {'PairedImageDataset': StockTrainingPairs, 'RFSPairedImageDataset': RFSTrainingPairs}
TrainingSet = Annotated[Section, by_type('data set', OtherTrainingSet, **_TRAINING)]
_PAIRED = {'PairedImageDataset': StockPairs, 'RFSPairedImageDataset': RFSPairs, 'SRBenchmarkDataset': BenchmarkSet}
EvaluationSet = Annotated[Section, by_type('data set', OtherSet, **_PAIRED)]
#: Data sets of pairs, which are declared key by key.
PAIRED = tuple(_PAIRED)


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
