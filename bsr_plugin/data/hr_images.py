"""The HR images in a folder that ``bsr prepare`` is to take, found and checked before any work begins.

Down-scaled copies of them (scale augmentation) are images like the others, which begin with the same file.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bsr_plugin.data.degradation import imresize
from bsr_plugin.data.image_file import image_size, list_images, read_image
from bsr_plugin.data.meta_info import key_for
from bsr_plugin.errors import InputError
from bsr_plugin.parallel import ordered_map

#: LMDB's limit for keys, and a file system's for names.
_LONGEST_KEY, _LONGEST_NAME = 511, 255
#: A batch holds this many bytes of HR pixels or this many images.
_BATCH_BYTES, _BATCH_IMAGES = 1 << 24, 256


@dataclass(frozen=True)
class HRImage:
    """An image file, or a copy of it that is down-scaled by ``factor``, and its size in pixels."""

    file: Path
    name: str
    height: int
    width: int
    factor: float = 1.0

    def scaled(self, factor: float) -> 'HRImage':
        """The copy that is down-scaled by ``factor``; sides are rounded to whole pixels."""
        height, width = (max(1, round(factor * side)) for side in (self.height, self.width))
        return HRImage(self.file, _copy_name(self.name, factor), height, width, factor)

    def read(self) -> NDArray[np.uint8]:
        """The pixels, (H, W, 3) BGR; copies are made by antialiased bicubic interpolation.

        It is MATLAB's ``imresize`` but for its order where the factors of the sides differ, since they are rounded to
        whole pixels: here the height comes first always.

        Raises:
            InputError: The file cannot be read.
        """
        whole = read_image(self.file)
        return whole if self.factor == 1 else imresize(whole, self.height, self.width)

    def stamp(self) -> list[Any]:
        """Name, bytes and time of the file, as JSON values."""
        status = self.file.stat()
        return [self.file.name, status.st_size, status.st_mtime_ns]


class HRFolder(NamedTuple):
    """What is in a folder.

    Attributes:
        images: The images, in the order of their keys.
        unreadable: File name -> why its header cannot be read.
        others: What is not an image.
    """

    images: list[HRImage]
    unreadable: dict[str, str]
    others: list[Path]


def scan(
    folder: Path, scale: int, encoding: str, shard: tuple[int, int] | None, copies: Sequence[float] = ()
) -> HRFolder:
    """Finds every unfit file: names and sizes come from headers alone. The arguments are those of ``Preparation``.

    The copies' names are checked; the copies are not among the images (:func:`with_copies` adds them).

    Raises:
        InputError: It is not a folder, names clash or are too long, an image is smaller than the scale, or there is
            none that can be read.
    """
    files = list_images(folder)
    by_key: dict[str, Path] = {}
    for file in files:
        key = _key(file, file.stem, encoding)
        if key in by_key:
            raise InputError(f'{by_key[key].name} and {file.name} would get the same name: rename one of them.')
        by_key[key] = file
    for file, factor in product(files, copies):
        same = by_key.get(_key(file, _copy_name(file.stem, factor), encoding))
        if same is not None:
            raise InputError(
                f'{same.name} and the copy of {file.name} by {factor} would get the same name: rename one of them.'
            )
    ordered = [by_key[key] for key in sorted(by_key)]
    if shard is not None:
        ordered = ordered[shard[0] - 1 :: shard[1]]
        if not ordered:
            raise InputError(f'{folder} has fewer images than the {shard[1]} shards asked for.')
    found = dict(zip(ordered, ordered_map(_measured, ordered), strict=True))
    images = [image for image in found.values() if isinstance(image, HRImage)]
    unreadable = {file.name: reason for file, reason in found.items() if isinstance(reason, str)}
    if not images:
        raise InputError(next(iter(unreadable.values())))
    small = [image for image in images if min(image.height, image.width) < scale]
    if small:
        raise InputError(f'{small[0].file} is {small[0].height}x{small[0].width}, smaller than the scale {scale}.')
    others = {entry for entry in folder.iterdir() if not entry.name.startswith('.')} - set(files)
    return HRFolder(images, unreadable, sorted(others))


def with_copies(images: Sequence[HRImage], factors: Sequence[float], smallest: int) -> list[HRImage]:
    """Every image, followed by those of its copies whose sides are both at least ``smallest`` pixels."""
    taken = []
    for image in images:
        copies = map(image.scaled, factors)
        taken += [image, *(copy for copy in copies if min(copy.height, copy.width) >= smallest)]
    return taken


def batches(images: Sequence[HRImage]) -> Iterator[tuple[int, int]]:
    """First image and end of the batches that are written together; they depend on sizes and order alone."""
    start = size = 0
    for position, image in enumerate(images):
        size += image.height * image.width * 3
        if size >= _BATCH_BYTES or position + 1 - start >= _BATCH_IMAGES or position + 1 == len(images):
            yield start, position + 1
            start, size = position + 1, 0


def _measured(file: Path) -> HRImage | str:
    try:
        return HRImage(file, file.stem, *image_size(file))
    except InputError as error:
        return str(error)


def _copy_name(name: str, factor: float) -> str:
    return f'{name}_x{factor}'


def _key(file: Path, name: str, encoding: str) -> str:
    try:
        key = key_for(name)
    except UnicodeEncodeError:
        raise InputError(f'The file name {file.name!a} is not UTF-8: rename the file.') from None
    as_file = len(name.encode()) + len('.png')
    if as_file > _LONGEST_NAME if encoding == 'files' else len(key) > _LONGEST_KEY:
        raise InputError(f'The name of {file} is too long for a store: shorten it.')
    return key
