"""What a batch costs: BasicSR's paired data set, and each kind of sampling here, one core each, taken in turn."""

import logging
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from operator import truediv
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import cv2
import numpy as np
import torch
from basicsr.data import build_dataloader, build_dataset
from basicsr.utils import get_root_logger

from bsr_plugin.bench.data_stores import sub_image_stores, tiled_stores, training_set
from bsr_plugin.bench.memory import in_own_process, own_memory
from bsr_plugin.data.pic_index_store import open_or_build_index
from bsr_plugin.data.prepare import Preparation, prepare
from bsr_plugin.data.store import LMDBStore
from bsr_plugin.pic.intervals import IntervalRule
from bsr_plugin.progress import progress
from bsr_plugin.toolbox.sampler import ResumableSampler

#: Kinds of sampling that are to cost no more than uniform sampling.
BALANCED = ('rfs', 'half', 'annealed', 'stratified', 'importance', 'spread', 'band', 'residual')
ROUNDS = 5
#: Turns that every kind has in a round.
TURNS = 10
#: Side of the HR tiles of the stores of different sizes, in LR windows.
_TILE_WINDOWS = 2

Kind = TypeVar('Kind')


@dataclass(frozen=True)
class DataSetting:
    """What is measured on a folder of HR images.

    Attributes:
        window: Side of an LR patch.
        bins: Intervals of PIC.
        seconds: How long each kind is measured in each of the rounds.
        counts: Numbers of images in the stores whose rates are compared.
    """

    images: Path
    scale: int = 4
    window: int = 32
    batch: int = 16
    bins: int = 16
    seconds: float = 2.0
    counts: Sequence[int] = (100, 1000, 10000)


@dataclass
class DataFigures:
    """What was measured.

    Attributes:
        patches_per_s: Median rate of each kind.
        ratios: Median over the rounds of a rate divided by another's in the same round.
        index: Cost of the PIC index.
        by_count: Images in the store -> rate of ``rfs``.
        count_ratio: Rate on the largest store divided by that on the smallest, median over the rounds.
    """

    patches_per_s: dict[str, float] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)
    index: dict[str, float] = field(default_factory=dict)
    by_count: dict[int, float] = field(default_factory=dict)
    count_ratio: float = 0.0


def measure_data(setting: DataSetting, work: Path) -> DataFigures:
    """Makes the stores in ``work`` and measures everything.

    Raises:
        InputError: The images are unfit.
    """
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    torch.manual_seed(0)
    get_root_logger().setLevel(logging.WARNING)  # every epoch logs what it draws
    task = Preparation(setting.images, work, setting.scale, lr_window=setting.window)
    prepare(task)
    figures = DataFigures(index=_index_cost(task.lr_path, setting))
    _compare_kinds(setting, task, sub_image_stores(setting.images, work, setting.scale), figures)
    _compare_counts(setting, work, figures)
    return figures


def _compare_kinds(setting: DataSetting, task: Preparation, stock: tuple[Path, Path], figures: DataFigures) -> None:
    ours = (task.hr_path, task.lr_path)
    loaders = {'stock': _batches(setting, stock, type='PairedImageDataset')}
    loaders |= {kind: _batches(setting, ours, **further) for kind, further in _samplers(setting).items()}
    rounds = _in_turn(loaders, setting)
    figures.patches_per_s = {kind: median(rates) for kind, rates in rounds.items()}
    balanced = [(kind, 'uniform') for kind in BALANCED]
    for above, below in (*balanced, ('rfs', 'stock'), ('uniform', 'stock'), ('rfs', 'rejection')):
        figures.ratios[f'{above}/{below}'] = _ratio(rounds[above], rounds[below])


def _samplers(setting: DataSetting) -> dict[str, dict[str, Any]]:
    """Options of every kind of sampling."""
    kinds: dict[str, dict[str, Any]] = {
        'uniform': {'sampling': 'uniform'},
        'rfs': {'sampling': 'rfs'},
        'half': {'pic_balance': 0.5},
        'annealed': {'pic_balance': {'from': 0.0, 'to': 1.0, 'between': [0, 100_000]}},
        'stratified': {'pic_balance': 0.0, 'pic_spacing': 'quantile', 'num_candidates': 'all'},
        'importance': {'sampling': 'importance'},
        'spread': {'image_choice': 'spread'},
        'band': {'sampling': 'band'},
        'residual': {'pic_score': 'residual'},
        'rejection_q999': {'sampling': 'rejection'},
        'rejection': {'sampling': 'rejection', 'pic_quantile': 1.0},
    }
    kinds = {kind: {**options, 'pic_bins': setting.bins} for kind, options in kinds.items()}
    kinds['stratified']['pic_bins'] = setting.batch
    return kinds


def _compare_counts(setting: DataSetting, work: Path, figures: DataFigures) -> None:
    side = _TILE_WINDOWS * setting.window * setting.scale
    stores = {number: tiled_stores(setting.images, work, setting.scale, number, side) for number in setting.counts}
    loaders = {
        number: _batches(setting, paths, sampling='rfs', pic_bins=setting.bins) for number, paths in stores.items()
    }
    figures.index |= _opening_cost(stores[max(stores)][1], setting)
    rounds = _in_turn(loaders, setting)
    figures.by_count = {number: median(rates) for number, rates in rounds.items()}
    figures.count_ratio = _ratio(rounds[max(stores)], rounds[min(stores)])


def _ratio(rates: Sequence[float], others: Sequence[float]) -> float:
    """Median over the rounds, so that a slow moment of the machine does not count for one side alone."""
    return median(map(truediv, rates, others))


def _batches(setting: DataSetting, stores: tuple[Path, Path], **further: Any) -> Iterator[Any]:
    """Batches without end, in this process, through BasicSR's own builders and loader and the sampler of training."""
    opt = training_set(stores, setting.scale, setting.window, setting.batch, use_hflip=True, use_rot=True, **further)
    dataset = build_dataset(opt)
    if importance := getattr(dataset, 'importance', None):
        importance.use(np.arange(1.0, importance.bins + 1))  # as if losses grew with the PIC
    sampler = ResumableSampler(dataset, 1, 0, 100)
    sampler.plan(setting.batch, total_iter=sys.maxsize)
    loader = build_dataloader(dataset, opt, sampler=sampler, seed=0)
    for epoch in count():
        sampler.set_epoch(epoch)
        yield from loader


def _in_turn(loaders: Mapping[Kind, Iterator[Any]], setting: DataSetting) -> dict[Kind, list[float]]:
    """Patches per second of every loader in every round, after a warm-up that does not count."""
    for batches in loaders.values():
        _draw(batches, setting.batch, setting.seconds / 4)
    rounds: dict[Kind, list[float]] = {kind: [] for kind in loaders}
    for _ in progress(range(ROUNDS), label='Drawing', unit='round'):
        drawn, elapsed = dict.fromkeys(loaders, 0), dict.fromkeys(loaders, 0.0)
        # Short turns, so that a slow moment of the machine slows all of them down.
        for _ in range(TURNS):
            for kind, batches in loaders.items():
                patches, seconds = _draw(batches, setting.batch, setting.seconds / TURNS)
                drawn[kind] += patches
                elapsed[kind] += seconds
        for kind, rates in rounds.items():
            rates.append(drawn[kind] / elapsed[kind])
    return rounds


def _draw(batches: Iterator[Any], batch: int, seconds: float) -> tuple[int, float]:
    """Draws for so long, one batch at least; gives the patches and the time that it took.

    It is the time that the process computed, which other programs do not lengthen.
    """
    start = time.process_time()
    drawn = 0
    while (elapsed := time.process_time() - start) < seconds or not drawn:
        next(batches)
        drawn += batch
    return drawn, elapsed


def _index_cost(lr_path: Path, setting: DataSetting) -> dict[str, float]:
    """Builds the index of a store anew, on all cores."""
    for old in lr_path.glob('pic_*.idx'):
        old.unlink()
    store = LMDBStore(lr_path)
    start = time.perf_counter()
    index = open_or_build_index(store, setting.window, 'max', IntervalRule(bins=setting.bins))
    elapsed = time.perf_counter() - start
    megapixels = float(store.sizes.prod(axis=1).sum()) / 1e6
    return {'build_s_per_lr_megapixel': elapsed / megapixels, 'bytes_per_window': index.bytes_per_window}


def _opening_cost(lr_path: Path, setting: DataSetting) -> dict[str, float]:
    """Opens the index of the largest store in a process of its own; memory is what cannot be shared (Linux)."""
    open_or_build_index(LMDBStore(lr_path), setting.window, 'max', IntervalRule(bins=setting.bins))
    return in_own_process(_open, lr_path, setting.window, setting.bins)


def _open(lr_path: Path, window: int, bins: int) -> dict[str, float]:
    store = LMDBStore(lr_path)
    before, start = own_memory('smaps_rollup', 'Anonymous'), time.perf_counter()
    index = open_or_build_index(store, window, 'max', IntervalRule(bins=bins))
    elapsed, memory = time.perf_counter() - start, own_memory('smaps_rollup', 'Anonymous') - before
    del index  # which had to be open until here
    return {'open_s': elapsed, 'worker_mb': memory / 2**20}
