"""Which windows make up a batch: the samplers, each an option (paper, section III-B, Table 1).

==============  ======================================  ==============================================================
``sampling``    interval of a patch                     image and window
==============  ======================================  ==============================================================
``rfs``         by quota, of strength ``pic_balance``   a candidate by ``image_choice``, its windows in the interval
``uniform``     as it comes                             the candidates in turn, all windows of an image
``importance``  by quota, as often as its loss asks     any image by ``share``, its windows in the interval; weighted
``band``        as it comes                             the candidates in turn, a share from a band of its quantiles
``rejection``   by quota, of strength ``pic_balance``   the loop of Table 1 itself, with the distribution of ``rfs``
==============  ======================================  ==============================================================
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from bsr_plugin.errors import InputError, is_whole
from bsr_plugin.pic.balance import BalanceRule
from bsr_plugin.pic.balanced import BalancedSampler
from bsr_plugin.pic.band import BandRule, BandSampler
from bsr_plugin.pic.candidates import CandidateNumber, ImageChoice
from bsr_plugin.pic.dist_info import SINGLE_PROCESS, DistInfo
from bsr_plugin.pic.draws import MeasureWindow, Sampler
from bsr_plugin.pic.importance import ImportanceRule, ImportanceSampler
from bsr_plugin.pic.index import PICIndex
from bsr_plugin.pic.rejection import RejectionSampler
from bsr_plugin.pic.uniform import UniformSampler

Sampling = Literal['rfs', 'uniform', 'importance', 'band', 'rejection']

#: Options that some kinds of sampling alone read.
READ_BY: Mapping[str, tuple[Sampling, ...]] = {
    'pic_balance': ('rfs', 'rejection'),
    'pic_importance': ('importance',),
    'pic_band': ('band',),
    'image_choice': ('rfs',),
}


@dataclass(frozen=True)
class SamplingRule:
    """Which sampler, and how it is set.

    Attributes:
        kind: ``rfs``, ``uniform``, ``importance``, ``band`` or ``rejection``.
        num_candidates: Number M of images that a batch is drawn from; ``None`` for the batch size, with several ranks
            that of all together; ``'all'`` for all. ``importance`` takes all.
        balance: Strength of balancing, for ``rfs`` and ``rejection``.
        image_choice: ``share`` or ``spread``, for ``rfs``.
        band: For ``band``.
        importance: For ``importance``.

    Raises:
        InputError: An unknown word, or fewer than one candidate, or than all for ``importance``.
    """

    kind: Sampling = 'rfs'
    num_candidates: CandidateNumber = None
    balance: BalanceRule = field(default_factory=BalanceRule)
    image_choice: ImageChoice = 'share'
    band: BandRule = field(default_factory=BandRule)
    importance: ImportanceRule = field(default_factory=ImportanceRule)

    def __post_init__(self) -> None:
        for option, value, choices in (
            ('sampling', self.kind, Sampling),
            ('image_choice', self.image_choice, ImageChoice),
        ):
            if value not in get_args(choices):
                raise InputError(f"{option} is '{value}': use {', '.join(get_args(choices))}.")
        number = self.num_candidates
        if number is not None and number != 'all' and (not is_whole(number) or number < 1):
            raise InputError(f'num_candidates is {number}: use 1 or more, all, or ~ for the batch size.')
        if self.kind == 'importance' and number not in (None, 'all'):
            raise InputError(
                f"num_candidates is {number}, and sampling 'importance' weights patches as drawn from all images: "
                'leave it out.'
            )


def make_sampler(
    rule: SamplingRule, index: PICIndex, measure: MeasureWindow, job: DistInfo = SINGLE_PROCESS
) -> Sampler:
    """The sampler of a rule.

    Args:
        rule: Which one.
        index: PIC index of the LR images.
        measure: Measures a window from its pixels; used by ``rejection`` alone.
        job: The rank that draws; quotas are kept by the joint batch of all.
    """
    if rule.kind == 'uniform':
        return UniformSampler(index, rule.num_candidates)
    if rule.kind == 'importance':
        return ImportanceSampler(index, rule.importance, job)
    if rule.kind == 'band':
        return BandSampler(index, rule.band, rule.num_candidates, job)
    balance = rule.balance.of(index)
    if rule.kind == 'rejection':
        return RejectionSampler(index, balance, rule.num_candidates, measure, job)
    return BalancedSampler(index, balance, rule.num_candidates, rule.image_choice, job)
