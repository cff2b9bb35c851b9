"""``bsr prepare``: a folder of HR images to an HR store, an LR store and the PIC index.

Images are cut to a multiple of the scale, degraded and encoded on all cores, a bounded number at a time. Killed at
any moment, the same command goes on where it was and ends with the same bytes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from tqdm import tqdm

from bsr_plugin.data.degradation import Degradation, crop_to_multiple, degrade
from bsr_plugin.data.image_file import image_size, list_images, read_image
from bsr_plugin.data.pic_index_of import index_of
from bsr_plugin.data.store import LMDBStore, key_for, part_path
from bsr_plugin.data.store_write import Encoding, Record, StoreWriter, make_record
from bsr_plugin.errors import InputError
from bsr_plugin.parallel import ordered_map
from bsr_plugin.pic.index import PICIndex
from bsr_plugin.pic.intervals import IntervalRule
from bsr_plugin.pic.measure import ChannelRule
from bsr_plugin.progress import progress

#: A batch is committed when it holds this many bytes of HR pixels or this many images.
_BATCH_BYTES, _BATCH_IMAGES = 1 << 24, 256
#: LMDB's limit for keys, and a file system's for names less what a temporary name adds.
_LONGEST_KEY, _LONGEST_NAME = 511, 255 - 24


@dataclass(frozen=True)
class Preparation:
    """What ``bsr prepare`` is asked to do.

    Attributes:
        source: Folder of HR images.
        out: Folder that gets the stores.
        scale: Down-sampling factor.
        degradation: How LR images are made.
        lr_window: Side of the windows of the PIC index, in LR pixels.
        encoding: ``raw`` or ``png`` LMDBs, or ``files`` for PNG folders (without an index).
        shard: ``(i, n)``: this run makes part i of n (from 1); ``None`` for everything.
        channels: Channel rule of the PIC index.
        intervals: Interval rule of the PIC index.
    """

    source: Path
    out: Path
    scale: int
    degradation: Degradation = 'bicubic'
    lr_window: int = 48
    encoding: Encoding = 'raw'
    shard: tuple[int, int] | None = None
    channels: ChannelRule = 'max'
    intervals: IntervalRule = field(default_factory=IntervalRule)

    def __post_init__(self) -> None:
        if self.scale < 2:
            raise InputError(f'The scale is {self.scale}: use 2 or more.')
        if self.lr_window < 1:
            raise InputError(f'The LR window is {self.lr_window} pixels: use 1 or more.')
        if self.shard is not None and not 1 <= self.shard[0] <= self.shard[1]:
            raise InputError(f'The shard is {self.shard[0]}/{self.shard[1]}: use i/n with i from 1 to n.')

    @property
    def hr_path(self) -> Path:
        """Where the HR store goes."""
        return self._path(f'HR_x{self.scale}')

    @property
    def lr_path(self) -> Path:
        """Where the LR store goes."""
        return self._path(f'LR_{self.degradation}_x{self.scale}')

    def _path(self, name: str) -> Path:
        path = self.out / (name if self.encoding == 'files' else f'{name}.lmdb')
        return path if self.shard is None else part_path(path, *self.shard)


@dataclass(frozen=True)
class Prepared:
    """What ``bsr prepare`` made or found.

    Attributes:
        hr_path: The HR store.
        lr_path: The LR store.
        images: Number of images.
        index: The PIC index; ``None`` for PNG folders, and for one part of several.
        made: False if everything was there already.
    """

    hr_path: Path
    lr_path: Path
    images: int
    index: PICIndex | None
    made: bool


@dataclass(frozen=True)
class _Source:
    file: Path
    name: str
    height: int
    width: int


def prepare(task: Preparation) -> Prepared:
    """Makes the stores and the index, or goes on making them.

    Raises:
        InputError: Something is wrong with the images or the target; nothing half-written is left behind.
    """
    sources = _scan(task)
    task.out.mkdir(parents=True, exist_ok=True)
    # Runs with different degradations share the HR store.
    lock = task.out / f'.{task.hr_path.name}.lock'
    try:
        with FileLock(lock, timeout=0):
            try:
                return _prepare(task, sources)
            finally:
                lock.unlink(missing_ok=True)
    except Timeout:
        raise InputError(f'Another bsr prepare is at work on {task.hr_path}: wait for it to end.') from None


def _prepare(task: Preparation, sources: Sequence[_Source]) -> Prepared:
    writers = [_writer(path, task, kind, sources) for path, kind in ((task.hr_path, 'HR'), (task.lr_path, 'LR'))]
    made = not all(writer.complete for writer in writers)
    indexed = task.encoding != 'files' and task.shard is None
    try:
        _fill(task, sources, writers)
        for writer in writers:
            if not writer.complete:
                writer.seal()
        if indexed and not writers[1].complete:
            _index(writers[1].partial, task)
    except InputError:
        for writer in writers:
            writer.discard()
        raise
    for writer in writers:
        if not writer.complete:
            writer.publish()
    index = _index(task.lr_path, task) if indexed else None
    return Prepared(task.hr_path, task.lr_path, len(sources), index, made)


def _index(path: Path, task: Preparation) -> PICIndex:
    return index_of(LMDBStore(path), task.lr_window, task.channels, task.intervals)


def _scan(task: Preparation) -> list[_Source]:
    """Finds every unfit file before work begins: names and sizes come from headers alone."""
    by_key: dict[str, Path] = {}
    for file in list_images(task.source):
        key = _key(file, task.encoding)
        if key in by_key:
            raise InputError(f'{by_key[key].name} and {file.name} would get the same name: rename one of them.')
        by_key[key] = file
    ordered = [by_key[key] for key in sorted(by_key)]
    if task.shard is not None:
        ordered = ordered[task.shard[0] - 1 :: task.shard[1]]
        if not ordered:
            raise InputError(f'{task.source} has fewer images than the {task.shard[1]} shards asked for.')
    sizes = ordered_map(image_size, ordered)
    sources = [_Source(file, file.stem, *size) for file, size in zip(ordered, sizes, strict=True)]
    small = [source for source in sources if min(source.height, source.width) < task.scale]
    if small:
        raise InputError(f'{small[0].file} is {small[0].height}x{small[0].width}, smaller than the scale {task.scale}.')
    _check_patch(task, sources)
    return sources


def _key(file: Path, encoding: Encoding) -> str:
    try:
        key = key_for(file.stem)
    except UnicodeEncodeError:
        raise InputError(f'The file name {file.name!a} is no UTF-8: rename the file.') from None
    length, longest = (len(file.stem.encode()), _LONGEST_NAME) if encoding == 'files' else (len(key), _LONGEST_KEY)
    if length > longest:
        raise InputError(f'The name of {file} is too long for a store: shorten it.')
    return key


def _check_patch(task: Preparation, sources: Sequence[_Source]) -> None:
    # PNG folders and parts get no index here, and another part may have larger images.
    if task.encoding == 'files' or task.shard is not None:
        return
    patch = task.lr_window * task.scale
    largest = max(sources, key=lambda source: min(source.height, source.width))
    if min(largest.height, largest.width) < patch:
        raise InputError(
            f'No image of {task.source} is as large as a patch: {patch} HR pixels (window {task.lr_window} x scale '
            f'{task.scale}), and the largest image is {largest.height}x{largest.width}; use a smaller --lr-window.'
        )


def _writer(path: Path, task: Preparation, kind: str, sources: Sequence[_Source]) -> StoreWriter:
    description: dict[str, Any] = {
        'kind': kind,
        'scale': task.scale,
        'degradation': task.degradation if kind == 'LR' else None,
        'shard': None if task.shard is None else list(task.shard),
        'sources': [_stamp(source.file) for source in sources],
    }
    area = sum(source.height * source.width for source in sources)
    pixels = area if kind == 'HR' else area // task.scale**2
    writer = StoreWriter(path, task.encoding, description, pixels, len(sources))
    if writer.foreign:
        raise InputError(f'{path} exists and was made from other images or settings: remove it, or use another --out.')
    return writer


def _stamp(file: Path) -> list[Any]:
    status = file.stat()
    return [file.name, status.st_size, status.st_mtime_ns]


def _fill(task: Preparation, sources: Sequence[_Source], writers: Sequence[StoreWriter]) -> None:
    done = min(writer.count for writer in writers)

    def convert(source: _Source) -> tuple[Record, Record]:
        hr = np.ascontiguousarray(crop_to_multiple(read_image(source.file), task.scale))
        lr = degrade(hr, task.scale, task.degradation)
        return make_record(source.name, hr, task.encoding), make_record(source.name, lr, task.encoding)

    # Batches end at the same images in every run; the one a run was killed in is made again from its start.
    batches = [batch for batch in _batches(sources) if batch[1] > done]
    if not batches:
        return
    first = batches[0][0]
    bar: tqdm[None] = progress(total=len(sources), label=f'Preparing {task.lr_path.name}', unit='image')
    bar.update(first)
    with bar:
        records = ordered_map(convert, sources[first:])
        for start, end in batches:
            batch = []
            for pair in islice(records, end - start):
                batch.append(pair)
                bar.update()
            for which, writer in enumerate(writers):
                fresh = [pair[which] for pair in batch[max(0, writer.count - start) :]]
                if fresh:
                    writer.add(fresh)


def _batches(sources: Sequence[_Source]) -> Iterator[tuple[int, int]]:
    start = size = 0
    for position, source in enumerate(sources):
        size += source.height * source.width * 3
        if size >= _BATCH_BYTES or position + 1 - start >= _BATCH_IMAGES or position + 1 == len(sources):
            yield start, position + 1
            start, size = position + 1, 0
