"""The score of every LR pixel, whose sums over windows the index sorts into intervals: PIC, residual, or a user's own.

Every score is an exact integer for each pixel of the LR image, so that the sum over a window is four look-ups in an
integral image, whatever is measured.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from shlex import quote
from typing import Any, ClassVar, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from bsr_plugin.data.degradation import imresize
from bsr_plugin.data.image_file import check_is_file
from bsr_plugin.data.memory import drop_pages
from bsr_plugin.data.meta_info import digest_of
from bsr_plugin.data.pairs import PairedStores
from bsr_plugin.data.store import Store
from bsr_plugin.errors import InputError
from bsr_plugin.pic.index_build import ScoreMaps
from bsr_plugin.pic.measure import MAX_GRADIENT, ChannelRule, gradient_map

GRADIENT, RESIDUAL, MAPS = 'gradient', 'residual', 'maps'


class SourcedMaps(ScoreMaps, Protocol):
    """Maps that say what they are."""

    @property
    def name(self) -> str:
        """The score: ``gradient``, ``residual`` or ``maps``."""

    @property
    def source(self) -> str:
        """Digest of what the maps are made of besides the LR images; it changes whenever that does."""

    @property
    def place(self) -> Path | None:
        """Where that lies; ``None`` for ``gradient``."""

    @property
    def words(self) -> str:
        """The arguments of ``bsr pic`` that ask for these maps."""


def maps_of(score: str | None, pairs: PairedStores, channels: ChannelRule) -> SourcedMaps:
    """The maps that the option ``pic_score`` names.

    Args:
        score: ``gradient``, ``residual``, or a folder of grey PNG files, 8 or 16 bits, named as the LR images and of
            their size; ``None`` for ``gradient``.
        pairs: LR and HR images.
        channels: How a pixel's three gradients are merged, for ``gradient``.

    Raises:
        InputError: There is no such score, or the folder lacks a map.
    """
    if score is None or score == GRADIENT:
        return GradientMaps(pairs.lr, channels)
    if score == RESIDUAL:
        return ResidualMaps(pairs)
    return SuppliedMaps(Path(score), pairs.lr)


@dataclass(frozen=True)
class GradientMaps:
    """``gradient``: the PIC (paper, equations 1 to 3).

    Attributes:
        lr: The LR images.
        channels: ``max`` or ``sum``.
    """

    lr: Store
    channels: ChannelRule = 'max'

    name: ClassVar[str] = GRADIENT
    source: ClassVar[str] = ''
    place: ClassVar[Path | None] = None
    words: ClassVar[str] = ''
    parts: ClassVar[int] = 1

    @property
    def sizes(self) -> NDArray[np.int64]:
        """(N, 2) height and width of every image."""
        return self.lr.sizes

    @property
    def largest(self) -> int:
        """Of one channel, or of three that are added up."""
        return MAX_GRADIENT * (3 if self.channels == 'sum' else 1)

    def map(self, position: int) -> NDArray[np.uint16]:
        """(H, W) gradient of every pixel."""
        return gradient_map(_read_once(self.lr, position), self.channels)


@dataclass(frozen=True)
class ResidualMaps:
    """``residual``: what interpolation gets wrong, the mean absolute difference of the HR image from the bicubic one.

    The LR image is enlarged as MATLAB does it and rounded to 8 bits; a pixel of the difference is the largest of its
    three channels, an LR pixel the sum over its block of s x s.

    Attributes:
        pairs: LR and HR images.
    """

    pairs: PairedStores

    name: ClassVar[str] = RESIDUAL

    @property
    def source(self) -> str:
        """Digest of the HR images."""
        return self.pairs.hr.digest

    @property
    def place(self) -> Path:
        """The HR images."""
        return self.pairs.hr.path

    @property
    def words(self) -> str:
        """The arguments of ``bsr pic``."""
        return f' --score residual --hr {quote(str(self.pairs.hr.path))}'

    @property
    def sizes(self) -> NDArray[np.int64]:
        """(N, 2) height and width of every LR image."""
        return self.pairs.lr.sizes

    @property
    def largest(self) -> int:
        """Of s x s pixels that differ by 255."""
        return 255 * self.parts

    @property
    def parts(self) -> int:
        """HR pixels for an LR pixel."""
        return self.pairs.scale**2

    def map(self, position: int) -> NDArray[np.uint32]:
        """(H, W) sum of the differences below every LR pixel."""
        lr, scale = _read_once(self.pairs.lr, position), self.pairs.scale
        hr = _read_once(self.pairs.hr, self.pairs.partners[position])
        difference = cv2.absdiff(hr, imresize(lr, *hr.shape[:2])).max(axis=2)
        blocks = difference.reshape(lr.shape[0], scale, lr.shape[1], scale)
        return blocks.sum(axis=(1, 3), dtype=np.uint32)


@dataclass(frozen=True)
class SuppliedMaps:
    """``maps``: a grey PNG file for every LR image, which says what each of its pixels is worth.

    Attributes:
        folder: Where the files are.
        lr: The LR images.

    Raises:
        InputError: There is no such folder, or it lacks a map.
    """

    folder: Path
    lr: Store

    name: ClassVar[str] = MAPS
    #: 16 bits.
    largest: ClassVar[int] = 65535
    parts: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise InputError(
                f"pic_score is '{self.folder}': use {GRADIENT}, {RESIDUAL}, or a folder with a map for every LR image."
            )
        for name in self.lr.names:
            if not self._file(name).is_file():
                raise InputError(f'{self.folder} has no map {name}.png for the image of that name in {self.lr.path}.')

    @cached_property
    def source(self) -> str:
        """Digest of the files by name, size and time of change."""
        stamps = [(name, self._file(name).stat()) for name in self.lr.names]
        return digest_of('\n'.join(f'{name} {at.st_size} {at.st_mtime_ns}' for name, at in stamps).encode())

    @property
    def place(self) -> Path:
        """The folder."""
        return self.folder

    @property
    def words(self) -> str:
        """The arguments of ``bsr pic``."""
        return f' --score {quote(str(self.folder))}'

    @property
    def sizes(self) -> NDArray[np.int64]:
        """(N, 2) height and width of every LR image."""
        return self.lr.sizes

    def map(self, position: int) -> NDArray[np.unsignedinteger]:
        """(H, W) values of the file.

        Raises:
            InputError: It is not a grey PNG of 8 or 16 bits, or not of the LR image's size.
        """
        path = self._file(self.lr.names[position])
        check_is_file(path)
        try:
            values: NDArray[Any] | None = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
        except cv2.error:
            values = None
        if values is None or values.ndim != 2 or values.dtype not in (np.uint8, np.uint16):
            raise InputError(f'{path} is not a grey PNG of 8 or 16 bits: convert it.')
        height, width = self.lr.sizes[position].tolist()
        if values.shape != (height, width):
            raise InputError(
                f'{path} is {values.shape[0]}x{values.shape[1]}, its LR image {height}x{width}: make it anew.'
            )
        return values

    def _file(self, name: str) -> Path:
        return self.folder / f'{name}.png'


def _read_once(store: Store, position: int) -> NDArray[np.uint8]:
    """An image for one pass: a copy, so that a store of any size takes the memory of a few images."""
    image = store.image(position)
    if image.flags.writeable:
        return image
    copy = image.copy()
    drop_pages(image)
    return copy
