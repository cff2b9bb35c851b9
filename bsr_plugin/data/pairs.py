"""LR images and the HR images they belong to: partners by name, sizes by the scale, checked before anything is read."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bsr_plugin.data.dataset_options import RFSOptions
from bsr_plugin.data.store import FolderStore, Store, open_store
from bsr_plugin.data.store_description import STORE_FILE, read_description
from bsr_plugin.errors import InputError

#: HR pixels by which an HR image of a benchmark may exceed its LR image: what cutting to a multiple of 12 takes off.
_LARGEST_OVERHANG = 11

Size = Sequence[int] | NDArray[np.int64]


class Names(NamedTuple):
    """The names in a folder that is not read as a store."""

    path: Path
    names: list[str]


def check_unique(side: Store | Names) -> None:
    """Raises ``InputError`` if two images have one name."""
    name, times = Counter(side.names).most_common(1)[0]
    if times > 1:
        raise InputError(f'{side.path} has several images of the name {name}: keep one of them.')


def partners(hr: Store | Names, lr: Store | Names, lr_name: Callable[[str], str] = str) -> tuple[int, ...]:
    """Position in ``hr`` of the partner of every LR image; ``lr_name`` gives the LR name for an HR name.

    Raises:
        InputError: An image has no partner, or two images have one name.
    """
    check_unique(hr)
    check_unique(lr)
    at = {lr_name(name): position for position, name in enumerate(hr.names)}
    for side, other, lonely in ((lr, hr, set(lr.names) - set(at)), (hr, lr, set(at) - set(lr.names))):
        if lonely:
            raise InputError(
                f'{side.path} has {min(lonely)} and {other.path} no image for it ({len(lonely)} without a partner): '
                'add what is missing, or remove the other.'
            )
    return tuple(at[name] for name in lr.names)


def check_listed(meta_info_file: Path, hr: Store) -> None:
    """Raises ``InputError`` unless a list of file names, one a line before a blank, names all images of a store."""
    try:
        lines = meta_info_file.read_text(encoding='utf-8').splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f'meta_info_file {meta_info_file} cannot be read ({error})') from error
    listed = {Path(line.partition(' ')[0]).stem for line in lines if line.strip()}
    for named, missing in ((hr.path, sorted(listed - set(hr.names))), (meta_info_file, sorted(set(hr.names) - listed))):
        if missing:
            raise InputError(
                f'{named} lacks {missing[0]} ({len(missing)} in all): batches are drawn from all images of {hr.path}; '
                'leave meta_info_file out, or give a folder with the listed images alone'
            )


def check_sources(hr: Path, lr: Path) -> None:
    """Raises ``InputError`` if two stores say that they were made from files of one name and different lengths."""
    files = [path / STORE_FILE for path in (hr, lr)]
    if not all(file.is_file() for file in files):
        return
    first, second = (
        {name: size for name, size, *_ in read_description(file).made_from.get('sources', [])} for file in files
    )
    for name in first.keys() & second.keys():
        if first[name] != second[name]:
            raise InputError(
                f'{hr} and {lr} were made from different images ({name} had {first[name]} and {second[name]} bytes): '
                'make both from one folder with bsr prepare.'
            )


def check_sizes(hr: NDArray[np.int64], lr: NDArray[np.int64], scale: int, paths: Sequence[tuple[str, str]]) -> None:
    """Raises ``InputError`` if HR images are not exactly ``scale`` times as large as their LR images.

    Args:
        hr: (N, 2) heights and widths of the HR images.
        lr: The same of their LR images.
        scale: HR size divided by LR size.
        paths: LR and HR path of every pair.
    """
    wrong = np.flatnonzero((hr != lr * scale).any(axis=1))
    if wrong.size:
        first, count = int(wrong[0]), '1 such pair' if wrong.size == 1 else f'{wrong.size} such pairs'
        mismatch = _mismatch(hr[first], lr[first], scale, *paths[first])
        raise InputError(f'{mismatch} ({count}): make both with bsr prepare.')


def check_overhang(hr: Size, lr: Size, scale: int, lr_path: str, hr_path: str) -> None:
    """Raises ``InputError`` unless an HR image is ``scale`` times as large as its LR image, or up to 11 pixels larger.

    LR images of published benchmarks stem from HR images that were cut on the right and below.
    """
    overhang = [large - scale * small for large, small in zip(hr, lr, strict=True)]
    if min(overhang) < 0 or max(overhang) > _LARGEST_OVERHANG:
        raise InputError(f'{_mismatch(hr, lr, scale, lr_path, hr_path)}: one of them is of another image or scale.')


def _mismatch(hr: Size, lr: Size, scale: int, lr_path: str, hr_path: str) -> str:
    return f'{hr_path} is {hr[0]}x{hr[1]} and {lr_path} {lr[0]}x{lr[1]}, which is not 1/{scale} of it'


def image_path(store: Store, position: int) -> str:
    """The file of an image, or for one in an LMDB the path from which BasicSR takes names for logs and pictures."""
    if isinstance(store, FolderStore):
        return str(store.files[position])
    return f'{store.path}/{store.names[position]}.png'


@dataclass(frozen=True)
class PairedStores:
    """LR/HR pairs in the order of the LR store; ``partners`` are the positions of the HR images.

    Raises:
        InputError: A pair has sizes that do not fit the scale.
    """

    hr: Store
    lr: Store
    scale: int
    partners: tuple[int, ...]

    @classmethod
    def open(cls, options: RFSOptions) -> 'PairedStores':
        """Opens the stores a data set's options name; ``InputError`` if pairs are not complete or sizes do not fit."""
        hr, lr = (open_store(root, options.io_backend.type) for root in (options.dataroot_gt, options.dataroot_lq))
        if options.meta_info_file is not None:
            check_listed(Path(options.meta_info_file), hr)
        check_sources(hr.path, lr.path)
        return cls(hr, lr, options.scale, partners(hr, lr, options.lr_name))

    @classmethod
    def of(cls, hr: Store, lr: Store) -> 'PairedStores':
        """Pairs of two stores by equal names, whose scale is that of the first pair.

        Raises:
            InputError: An image has no partner or one of the wrong size, or the stores are of different images.
        """
        check_sources(hr.path, lr.path)
        found = partners(hr, lr)
        return cls(hr, lr, max(1, int(hr.sizes[found[0]][0] // lr.sizes[0][0])), found)

    def __post_init__(self) -> None:
        paths = [*map(self.paths, range(len(self)))]
        check_sizes(self.hr.sizes[list(self.partners)], self.lr.sizes, self.scale, paths)

    def __len__(self) -> int:
        return len(self.partners)

    def lr_image(self, position: int) -> NDArray[np.uint8]:
        """(H, W, 3) BGR; may be read-only."""
        return self.lr.image(position)

    def hr_image(self, position: int) -> NDArray[np.uint8]:
        """(scale * H, scale * W, 3) BGR; may be read-only."""
        return self.hr.image(self.partners[position])

    def paths(self, position: int) -> tuple[str, str]:
        """LR and HR path."""
        return image_path(self.lr, position), image_path(self.hr, self.partners[position])
