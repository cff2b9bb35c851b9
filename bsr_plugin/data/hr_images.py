"""The HR images in a folder that ``bsr prepare`` is to take, found and checked before any work begins."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from bsr_plugin.data.image_file import image_size, list_images
from bsr_plugin.data.meta_info import key_for
from bsr_plugin.errors import InputError
from bsr_plugin.parallel import ordered_map

#: LMDB's limit for keys, and a file system's for names less what a temporary name adds.
_LONGEST_KEY, _LONGEST_NAME = 511, 255 - 24
#: A batch holds this many bytes of HR pixels or this many images.
_BATCH_BYTES, _BATCH_IMAGES = 1 << 24, 256


@dataclass(frozen=True)
class HRImage:
    """An image file and its size in pixels."""

    file: Path
    name: str
    height: int
    width: int

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


def scan(folder: Path, scale: int, encoding: str, shard: tuple[int, int] | None) -> HRFolder:
    """Finds every unfit file: names and sizes come from headers alone. The arguments are those of ``Preparation``.

    Raises:
        InputError: It is not a folder, names clash or are too long, an image is smaller than the scale, or there is
            none that can be read.
    """
    files = list_images(folder)
    by_key: dict[str, Path] = {}
    for file in files:
        key = _key(file, encoding)
        if key in by_key:
            raise InputError(f'{by_key[key].name} and {file.name} would get the same name: rename one of them.')
        by_key[key] = file
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


def _key(file: Path, encoding: str) -> str:
    try:
        key = key_for(file.stem)
    except UnicodeEncodeError:
        raise InputError(f'The file name {file.name!a} is not UTF-8: rename the file.') from None
    length, longest = (len(file.stem.encode()), _LONGEST_NAME) if encoding == 'files' else (len(key), _LONGEST_KEY)
    if length > longest:
        raise InputError(f'The name of {file} is too long for a store: shorten it.')
    return key
