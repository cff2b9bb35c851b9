"""``bsr prepare``: a folder of HR images to an HR store, an LR store and the PIC index.

Images are cut to a multiple of the scale, degraded and encoded on all cores, a bounded number at a time. Killed at
any moment, the same command resumes and ends with the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
from filelock import FileLock, Timeout
from tqdm import tqdm

from bsr_plugin.data.degradation import Degradation, crop_to_multiple, degrade
from bsr_plugin.data.hr_images import HRFolder, HRImage, batches, scan, with_copies
from bsr_plugin.data.pic_index_store import open_or_build_index
from bsr_plugin.data.store import LMDBStore, part_path
from bsr_plugin.data.store_write import Encoding, LeftOut, Record, StoreWriter, make_record
from bsr_plugin.errors import InputError
from bsr_plugin.parallel import ordered_map
from bsr_plugin.pic.index import PICIndex
from bsr_plugin.pic.intervals import IntervalRule
from bsr_plugin.pic.measure import ChannelRule
from bsr_plugin.progress import progress


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
        copies: Factors below 1: every HR image is stored once more, down-scaled, for each of them (scale augmentation).
            LR images are made from the whole copy; copies that are smaller than a patch are left out.
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
    copies: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.scale < 2:
            raise InputError(f'The scale is {self.scale}: use 2 or more.')
        if self.lr_window < 1:
            raise InputError(f'The LR window is {self.lr_window} pixels: use 1 or more.')
        if self.shard is not None and not 1 <= self.shard[0] <= self.shard[1]:
            raise InputError(f'The shard is {self.shard[0]}/{self.shard[1]}: use i/n with i from 1 to n.')
        for factor in self.copies:
            if not 0 < factor < 1:
                raise InputError(f'The factor of a copy is {factor}: use factors between 0 and 1, such as 0.9,0.8.')
            if self.copies.count(factor) > 1:
                raise InputError(f'The factor of a copy {factor} is given twice: give every factor once.')

    @property
    def patch(self) -> int:
        """Side of a patch in HR pixels."""
        return self.lr_window * self.scale

    @property
    def hr_path(self) -> Path:
        """Where the HR store goes."""
        return self._path(f'HR_x{self.scale}')

    @property
    def lr_path(self) -> Path:
        """Where the LR store goes."""
        return self._path(f'LR_{self.degradation}_x{self.scale}')

    @property
    def has_index(self) -> bool:
        """Whether a PIC index is made; one part of several gets none, and other parts may have larger images."""
        return self.encoding != 'files' and self.shard is None

    def _path(self, name: str) -> Path:
        path = self.out / (name if self.encoding == 'files' else f'{name}.lmdb')
        return path if self.shard is None else part_path(path, *self.shard)


@dataclass(frozen=True)
class Prepared:
    """What ``bsr prepare`` made or found.

    Attributes:
        images: Number of images, copies included.
        copies: Number of down-scaled copies among them.
        small_copies: Number of copies that are not, because they are smaller than a patch.
        index: The PIC index; ``None`` for PNG folders, and for one part of several.
        made: False if everything was there already.
        left_out: One sentence for each image that cannot be read; the stores do without them.
        others: What is in the folder of HR images besides images.
    """

    hr_path: Path
    lr_path: Path
    images: int
    copies: int
    small_copies: int
    index: PICIndex | None
    made: bool
    left_out: list[str]
    others: list[Path]


def prepare(task: Preparation) -> Prepared:
    """Makes the stores and the index, or resumes making them. Images that cannot be read are left out.

    Raises:
        InputError, OSError, lmdb.Error: Images or the target are wrong, or something cannot be read or written; nothing
            half-written is left behind.
    """
    folder = scan(task.source, task.scale, task.encoding, task.shard, task.copies)
    _check_patch(task, folder.images)
    task.out.mkdir(parents=True, exist_ok=True)
    # Runs with different degradations share the HR store.
    lock = task.out / f'.{task.hr_path.name}.lock'
    try:
        with FileLock(lock, timeout=0):
            try:
                return _prepare(task, folder)
            finally:
                lock.unlink(missing_ok=True)
    except Timeout:
        raise InputError(f'Another bsr prepare is at work on {task.hr_path}: wait for it to end.') from None


def _prepare(task: Preparation, folder: HRFolder) -> Prepared:
    images = with_copies(folder.images, sorted(task.copies, reverse=True), task.patch)
    writers = [_writer(path, task, kind, images) for path, kind in ((task.hr_path, 'HR'), (task.lr_path, 'LR'))]
    made = not all(writer.complete for writer in writers)
    try:
        for writer in writers:
            writer.begin()
        _fill(task, images, writers)
        for writer in writers:
            writer.seal()
        if task.has_index and not writers[1].complete:
            _index(writers[1].partial, task)
    except (InputError, OSError, lmdb.Error):
        for writer in writers:
            writer.discard()
        raise
    for writer in writers:
        writer.publish()
    index = _index(task.lr_path, task) if task.has_index else None
    files = {image.file.name for image in folder.images}
    skipped = {file: reason for file, reason in writers[1].left_out.items() if file in files}
    stored = [image for image in images if image.file.name not in skipped]
    copies = sum(image.factor != 1 for image in stored)
    return Prepared(
        task.hr_path,
        task.lr_path,
        images=len(stored),
        copies=copies,
        small_copies=(len(stored) - copies) * len(task.copies) - copies,
        index=index,
        made=made,
        left_out=[*folder.unreadable.values(), *skipped.values()],
        others=folder.others,
    )


def _index(path: Path, task: Preparation) -> PICIndex:
    return open_or_build_index(LMDBStore(path), task.lr_window, task.channels, task.intervals)


def _check_patch(task: Preparation, images: Sequence[HRImage]) -> None:
    if not task.has_index:
        return
    largest = max(images, key=lambda image: min(image.height, image.width))
    if min(largest.height, largest.width) < task.patch:
        raise InputError(
            f'No image of {task.source} is as large as a patch: {task.patch} HR pixels (window {task.lr_window} x '
            f'scale {task.scale}), and the largest image is {largest.height}x{largest.width}; use a smaller '
            '--lr-window.'
        )


def _writer(path: Path, task: Preparation, kind: str, images: Sequence[HRImage]) -> StoreWriter:
    description: dict[str, Any] = {
        'kind': kind,
        'scale': task.scale,
        'degradation': task.degradation if kind == 'LR' else None,
        'shard': None if task.shard is None else list(task.shard),
        'sources': [image.stamp() for image in images if image.factor == 1],
    }
    if task.copies:
        description['copies'] = {'factors': sorted(task.copies, reverse=True), 'smallest': task.patch}
    area = sum(image.height * image.width for image in images)
    pixels = area if kind == 'HR' else area // task.scale**2
    return StoreWriter(path, task.encoding, description, pixels, len(images))


def _fill(task: Preparation, images: Sequence[HRImage], writers: Sequence[StoreWriter]) -> None:
    done = min(writer.count for writer in writers)
    # What one store left out before, the other leaves out too, even if it could be read now.
    left_out = {file: reason for writer in writers for file, reason in writer.left_out.items()}

    def convert(image: HRImage) -> tuple[Record, Record] | LeftOut:
        """The records of an image's HR and LR, or why there are none."""
        try:
            if image.file.name in left_out:
                return LeftOut(image.file.name, left_out[image.file.name])
            hr = np.ascontiguousarray(crop_to_multiple(image.read(), task.scale))
        except InputError as error:
            return LeftOut(image.file.name, str(error))
        lr = degrade(hr, task.scale, task.degradation)
        return make_record(image.name, hr, task.encoding), make_record(image.name, lr, task.encoding)

    # Batches end at the same images in every run; the one a run was killed in is made again from its start.
    wanted = [batch for batch in batches(images) if batch[1] > done]
    if not wanted:
        return
    first = wanted[0][0]
    bar: tqdm[None] = progress(total=len(images), label=f'Preparing {task.lr_path.name}', unit='image')
    bar.update(first)
    with bar:
        records = ordered_map(convert, images[first:])
        for start, end in wanted:
            batch = []
            for pair in islice(records, end - start):
                batch.append(pair)
                bar.update()
            for which, writer in enumerate(writers):
                stored = max(0, writer.count - start)
                _check_agreement(batch[:stored], writer)
                fresh = [item if isinstance(item, LeftOut) else item[which] for item in batch[stored:]]
                if fresh:
                    writer.add(fresh)


def _check_agreement(batch: Sequence[object], writer: StoreWriter) -> None:
    """An image that one store holds already must not be missing in the other."""
    for item in batch:
        if isinstance(item, LeftOut) and item.file not in writer.left_out:
            raise InputError(f'{item.reason.rstrip(".")} ({writer.path} holds it: remove that store to do without it).')
