"""The options of the plugin's data sets: keys, kinds, defaults and meanings; the schema of option files has them too.

Defaults of the sampler are those of its rules in :mod:`bsr_plugin.pic`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator
from typing_extensions import Self

from bsr_plugin.data.degradation import Degradation
from bsr_plugin.data.store import Backend
from bsr_plugin.errors import InputError
from bsr_plugin.pic.balance import BalanceRule
from bsr_plugin.pic.band import BandRule
from bsr_plugin.pic.candidates import ImageChoice
from bsr_plugin.pic.importance import ImportanceRule
from bsr_plugin.pic.intervals import IntervalRule, Spacing
from bsr_plugin.pic.measure import ChannelRule
from bsr_plugin.pic.sampling import READ_BY, Sampling, SamplingRule
from bsr_plugin.schema.section import Section
from bsr_plugin.schema.values import Count, CountOrZero, Positive, Real, Whole, numbers_in, otherwise


def _has_a_place(template: str) -> str:
    if '{}' not in template:
        raise InputError(f"'{template}' must contain {{}}, which stands for the HR name")
    return template


PatchSize = Annotated[Count, Field(description='Side of the HR patches in pixels; a multiple of `scale`.')]
Flips = Annotated[bool, Field(description='Augmentation: random horizontal flips.')]
Rotations = Annotated[bool, Field(description='Augmentation: random rotations by 90, 180 and 270 degrees.')]
_SHARE = {'type': 'number', 'minimum': 0, 'maximum': 1}
_ITERATIONS = {'type': 'array', 'items': {'type': 'integer', 'minimum': 0}, 'minItems': 2, 'maxItems': 2}
_SCHEDULE = {'from': _SHARE, 'to': _SHARE, 'between': _ITERATIONS}
#: What :class:`BalanceRule` checks; editors learn of it from here.
Schedule = Annotated[
    dict[str, Any],
    BeforeValidator(numbers_in),
    WithJsonSchema(
        {'type': 'object', 'properties': _SCHEDULE, 'required': list(_SCHEDULE), 'additionalProperties': False}
    ),
]
Strength = Annotated[Real | Schedule, otherwise('neither a strength nor `{from: 0, to: 1, between: [0, 20000]}`')]
Candidates = Annotated[
    Count | Literal['all'] | None, otherwise('not a number of images: use 1 or more, all, or ~ for the batch size')
]


class StoreBackend(Section):
    """Where the images are read from. BasicSR's own data sets take any backend of its `FileClient`."""

    type: Backend
    """Image files in a folder, or an LMDB store of `bsr prepare` or of BasicSR."""


class DatasetOptions(Section):
    """What the class of a data set reads; the loader has options of its own."""

    scale: Count
    """Factor from LR to HR; BasicSR puts the file's `scale` here."""

    @classmethod
    def of(cls, opt: Mapping[str, Any]) -> Self:
        """The options among those that BasicSR gives a data set.

        Raises:
            InputError: One line for each problem, which names the data set.
        """
        return cls.read(opt, of=f'data set {opt.get("name", "")}: ')


class PairOptions(DatasetOptions):
    """Pairs of LR and HR images that belong together by name."""

    dataroot_gt: str
    """Folder or LMDB store of the HR images (ground truth)."""
    filename_tmpl: Annotated[str, AfterValidator(_has_a_place)] = '{}'
    """Name of an LR file beside the name of its HR file `{}`, without the extension."""

    def lr_name(self, hr_name: str) -> str:
        """Name of the LR image that belongs to an HR image."""
        return self.filename_tmpl.replace('{}', hr_name)


class StoredPairOptions(PairOptions):
    """Pairs both of whose images are there."""

    dataroot_lq: str
    """Folder or LMDB store of the LR images."""


class RFSOptions(StoredPairOptions):
    """What RFSPairedImageDataset reads in every phase."""

    io_backend: StoreBackend
    """Where the images are read from."""
    meta_info_file: str | None = None
    """A list of the HR files, as PairedImageDataset reads it; it must name all of them."""
    uint8: bool = False
    """Whether images are loaded as uint8, a quarter of the bytes, and converted to float32 on the device."""


class StockOptions(StoredPairOptions):
    """What BasicSR's PairedImageDataset reads in every phase."""

    meta_info_file: str | None = None
    """A list of the HR files to use; ~ uses all."""
    mean: list[Real] | None = None
    """Normalization: mean of each channel, in [0, 1], which is subtracted."""
    std: list[Positive] | None = None
    """Normalization: standard deviation of each channel, which the result is divided by."""
    color: Literal['y'] | None = None
    """y: only the Y channel of YCbCr."""

    @model_validator(mode='after')
    def _normalize(self) -> Self:
        channels = 3 if self.color is None else 1
        if (self.mean, self.std) != (None, None) and [len(each or ()) for each in (self.mean, self.std)] != [
            channels
        ] * 2:
            raise InputError(
                f'mean is {self.mean} and std {self.std}: give {channels} of each, one per channel, or none'
            )
        return self


#: What PairedImageDataset reads only of folders, and the values that say nothing; and what is said of others.
NOT_OF_STORES = {'meta_info_file': None, 'filename_tmpl': '{}'}
NOT_READ = 'is not read from LMDB stores; leave it out, or use RFSPairedImageDataset'


class StockTrainingOptions(StockOptions):
    """What BasicSR's PairedImageDataset reads in training."""

    gt_size: PatchSize
    use_hflip: Flips
    use_rot: Rotations


class BandOptions(Section):
    """Which part of a batch `sampling: band` draws from which part of an image's windows."""

    share: Real = BandRule.share
    """Expected share of the batch that comes from the band, 0 to 1; the rest is drawn uniformly."""
    quantiles: list[Real] = Field(default=list(BandRule.quantiles), min_length=2, max_length=2)
    """Ends of the band among the windows of an image, ordered by their score, to within an interval; 0 to 1,
    increasing."""


class ImportanceOptions(Section):
    """How far `sampling: importance` may go from uniform sampling."""

    uniform_share: Real = ImportanceRule.uniform_share
    """Share of uniform sampling in the distribution, above 0 and up to 1; no weight is above its inverse."""
    max_weight: Real | None = ImportanceRule.max_weight
    """What weights are clipped to, at least 1, at the price of a bias; ~ does not clip."""


class SamplingOptions(Section):
    """How RFSPairedImageDataset draws its batches (section III-B of the paper)."""

    sampling: Sampling = SamplingRule.kind
    """rfs: batches with the same number of patches from every PIC interval, or as `pic_balance` says; uniform: patches
    as they come, the ablation "w/o RFS"; importance: intervals in proportion to their probability under uniform times
    their loss in the epochs before, and patches weighted so that the expected gradient stays that of uniform (BSRModel
    only); band: uniform, except for a share from a band of each image's own quantiles; rejection: the paper's loop as
    written, with the distribution of rfs but much slower."""
    pic_bins: Whole = IntervalRule.bins
    """Number p of PIC intervals; 1 to 256."""
    pic_quantile: Real = IntervalRule.quantile
    """Intervals of equal width reach from 0 to this quantile of the PIC of all windows, above 0 and up to 1; the last
    one is open above."""
    pic_edges: list[Real] | None = None
    """Increasing edges 0, k_1, ..., k_p of the intervals in grey levels, in place of `pic_bins` and `pic_quantile`."""
    pic_spacing: Spacing = IntervalRule.spacing
    """width: intervals of equal width; quantile: intervals that hold equal numbers of windows."""
    pic_channels: ChannelRule = 'max'
    """A pixel's gradient: the largest of its three channels', or their sum."""
    pic_score: str = 'gradient'
    """What the intervals are computed from. gradient: PIC, the mean gradient; residual: the mean absolute difference
    between the HR image and the bicubic one; or a folder of grey PNG files, 8 or 16 bits, named as the LR images and of
    their size."""
    pic_balance: Strength = BalanceRule.start
    """Strength t of rfs and rejection, 0 to 1: an interval of probability P under uniform sampling is drawn in
    proportion to P^(1 - t). 0 has uniform's shares of the intervals, and equals uniform with
    `num_candidates: all` and `image_choice: share`; 1 draws all intervals alike;
    `{from: 0, to: 1, between: [0, 20000]}` is linear in the iteration."""
    pic_importance: ImportanceOptions = ImportanceOptions()
    """How far importance may go from uniform."""
    pic_band: BandOptions = BandOptions()
    """The share of a batch that band draws between two quantiles of an image's scores."""
    num_candidates: Candidates = SamplingRule.num_candidates
    """Number M of candidate images per batch; ~ is the total batch size over all GPUs, and all images for
    importance."""
    image_choice: ImageChoice = SamplingRule.image_choice
    """How rfs chooses a candidate for an interval. share: by the share of its windows in there, as the paper's loop
    does; spread: the one that was used least in the batch."""

    @property
    def intervals(self) -> IntervalRule:
        """The intervals."""
        edges = None if self.pic_edges is None else tuple(self.pic_edges)
        return IntervalRule(self.pic_bins, self.pic_quantile, edges, self.pic_spacing)

    @property
    def rule(self) -> SamplingRule:
        """The sampler, and how it is set."""
        low, high = self.pic_band.quantiles
        return SamplingRule(
            kind=self.sampling,
            num_candidates=self.num_candidates,
            balance=BalanceRule.from_option(self.pic_balance),
            image_choice=self.image_choice,
            band=BandRule(self.pic_band.share, (low, high)),
            importance=ImportanceRule(self.pic_importance.uniform_share, self.pic_importance.max_weight),
        )

    @model_validator(mode='after')
    def _fit_together(self) -> Self:
        given, count = self.model_fields_set, self.intervals.bins
        for option, readers in READ_BY.items():
            if option in given and self.rule.kind not in readers:
                raise InputError(
                    f"{option} is given, which sampling '{self.sampling}' does not read: leave it out, or use "
                    f'sampling {" or ".join(readers)}'
                )
        if self.sampling == 'rejection' and self.pic_score != 'gradient':
            raise InputError(
                f"pic_score is '{self.pic_score}', and sampling 'rejection' measures gradients alone: use rfs"
            )
        if self.pic_spacing == 'quantile':
            for option in given & {'pic_edges', 'pic_quantile'}:
                raise InputError(f'pic_spacing is quantile, and {option} is given: leave one of the two out')
        if self.pic_edges is not None and 'pic_bins' in given and self.pic_bins != count:
            raise InputError(
                f'pic_bins is {self.pic_bins}, and pic_edges has {count} intervals: leave one of the two out'
            )
        return self


class RFSTrainingOptions(SamplingOptions, RFSOptions):
    """What RFSPairedImageDataset reads in training."""

    gt_size: PatchSize
    use_hflip: Flips = True
    use_rot: Rotations = True
    seed: CountOrZero | None = None
    """Seed of the stream of batches; ~ is `manual_seed`."""


class BenchmarkOptions(PairOptions):
    """What SRBenchmarkDataset reads."""

    dataroot_lq: str | None = None
    """Folder or LMDB store of LR images; ~ makes them from the HR images, for bicubic those of MATLAB bit for bit."""
    io_backend: StoreBackend = StoreBackend(type='disk')
    """Where the images are read from."""
    degradation: Degradation = 'bicubic'
    """How the LR images are, or were, made; also which table of the paper `bsr report` puts the results in."""


def misfit(gt_size: int, scale: int) -> str:
    """What is wrong with a side of HR patches that is not a whole number of LR pixels; nothing where it is one."""
    below = gt_size // scale * scale
    choice = f'{below} and {below + scale} are' if below else f'{scale} is'
    return f'{gt_size} is not a multiple of scale {scale}; {choice}' if gt_size % scale else ''
