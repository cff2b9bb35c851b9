"""The PIC index that belongs to a store of LR images: found beside it, or built."""

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from shlex import quote

import numpy as np

from bsr_plugin.atomic import lock_of, locked
from bsr_plugin.data.score_maps import GradientMaps, SourcedMaps
from bsr_plugin.data.store import FolderStore, JoinedStore, Store
from bsr_plugin.errors import InputError
from bsr_plugin.pic.index import IndexKey, PICIndex
from bsr_plugin.pic.index_build import build_index
from bsr_plugin.pic.index_file import IndexFileError
from bsr_plugin.pic.intervals import IntervalRule, interval_of
from bsr_plugin.pic.measure import ChannelRule, window_sums


def open_or_build_index(
    store: Store, window: int, channels: ChannelRule, intervals: IntervalRule, score: SourcedMaps | None = None
) -> PICIndex:
    """Opens the index of a store, building it first if it is missing, stale or damaged, once for all processes.

    Indexes for other windows, intervals, channel rules or scores lie side by side: the name holds a digest of all that.
    One is stale if the images have changed by name, size or time, or the windows of the first and last image differ.

    Args:
        store: The LR images.
        window: Side of the window in LR pixels.
        channels: ``max`` or ``sum``, for the PIC.
        intervals: How the intervals are chosen.
        score: What windows are sorted by; ``None`` for the PIC.

    Raises:
        InputError: It has to be built and its folder cannot be written to, or no image is as large as the window.
    """
    maps: SourcedMaps = score or GradientMaps(store, channels)
    key = key_of(store, window, maps, intervals)
    path = index_path(store, key, maps.place)
    if index := _opened(path, key, maps):
        # A process that is killed just after it has built the index leaves its lock.
        with suppress(OSError):
            lock_of(path).unlink(missing_ok=True)
        return index
    if not os.access(path.parent, os.W_OK):
        raise InputError(
            f'{store.path} has no PIC index for a window of {window} pixels and {path.parent} cannot be written to: '
            f'run "bsr pic {quote(str(store.path))} --lr-window {window}{_words(key)}{maps.words}" where it can.'
        )
    # All ranks of a run, and all runs on a store, come here at the same moment: one builds, the others wait for it.
    with locked(path):
        return _opened(path, key, maps) or build_index(maps, key, path)


def key_of(store: Store, window: int, maps: SourcedMaps, intervals: IntervalRule) -> IndexKey:
    """What the index for a score of a store's windows depends on."""
    channels: ChannelRule = maps.channels if isinstance(maps, GradientMaps) else 'max'
    return IndexKey(window, channels, intervals, store.digest, maps.name, maps.source)


def _words(key: IndexKey) -> str:
    """The arguments of ``bsr pic`` that ask for the intervals of an index, where they are not its defaults."""
    rule, usual = key.intervals, IntervalRule()
    edges = '' if rule.edges is None else f' --pic-edges {",".join(map(str, rule.edges))}'
    bins = '' if rule.edges or rule.bins == usual.bins else f' --pic-bins {rule.bins}'
    quantile = '' if rule.quantile == usual.quantile else f' --pic-quantile {rule.quantile}'
    spacing = '' if rule.spacing == usual.spacing else f' --pic-spacing {rule.spacing}'
    channels = '' if key.channels == 'max' else f' --pic-channels {key.channels}'
    return edges + bins + quantile + spacing + channels


def _opened(path: Path, key: IndexKey, maps: SourcedMaps) -> PICIndex | None:
    try:
        index = PICIndex(path)
    except IndexFileError:
        return None
    return index if index.key == key.as_header() and _is_of(index, maps) else None


def _is_of(index: PICIndex, maps: SourcedMaps) -> bool:
    """Whether the first and the last image have the windows of the index: name, size and time may not tell."""
    for position in {int(index.usable[0]), int(index.usable[-1])}:
        sums = window_sums(maps.map(position), index.window).reshape(-1)
        if sums.size != index.windows[position]:
            return False
        known = index.intervals_at(np.full(sums.size, position), np.arange(sums.size))
        if not np.array_equal(interval_of(sums, index.thresholds), known):
            return False
    return True


def index_path(store: Store, key: IndexKey, place: Path | None = None) -> Path:
    """Where the index for ``key`` lies: inside the store, or inside the first part of one in several parts.

    ``place`` is that of what the score is made of besides the LR images.
    """
    first = store.parts[0] if isinstance(store, JoinedStore) else store
    # What the maps are made of changes, where it lies does not: an index that is stale is replaced.
    source = '' if place is None else os.path.relpath(place.resolve(), first.path.resolve())
    rules = {name: value for name, value in key.as_header().items() if name != 'digest'} | {'source': source}
    label = hashlib.blake2b(json.dumps(rules, sort_keys=True).encode(), digest_size=4).hexdigest()
    # The toolbox lists every file of an image folder but hidden ones.
    hidden = '.' if isinstance(first, FolderStore) else ''
    joined = f'_of{len(store.parts)}' if isinstance(store, JoinedStore) else ''
    return first.path / f'{hidden}pic_w{key.window}_p{key.intervals.bins}_{label}{joined}.idx'
