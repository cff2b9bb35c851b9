"""What the page takes. Sizes are read from the header of a file: nothing of a decompression bomb is decoded."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bsr_plugin.errors import InputError

if TYPE_CHECKING:
    from bsr_plugin.upscaling.reading import ImageFile

#: As browsers count.
_MB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """The largest inputs, and the longest queue.

    Attributes:
        megabytes: Size of a file, in 2^20 bytes.
        megapixels: Pixels of an image, in 10^6.
        waiting: Images that may wait while one is upscaled.
    """

    megabytes: float = 64
    megapixels: float = 32
    waiting: int = 8

    def __post_init__(self) -> None:
        for option, value in (('--max-megabytes', self.megabytes), ('--max-megapixels', self.megapixels)):
            if not 0 < value < 1e6:
                raise InputError(f'{option} is {value:g}: use a number above 0 and below 1,000,000.')

    @property
    def bytes(self) -> int:
        """Size of the largest file."""
        return int(self.megabytes * _MB)

    @property
    def pixels(self) -> int:
        """Pixels of the largest image."""
        return int(self.megapixels * 1e6)


def open_upload(path: Path, limits: Limits) -> 'ImageFile':
    """Opens what was uploaded; reads no more than its header.

    Raises:
        InputError: It is no image that ``bsr upscale`` takes, or larger than the limits.
    """
    # Limits are known without libvips.
    from bsr_plugin.upscaling.reading import ImageFile, TooManyPixelsError

    size = path.stat().st_size if path.is_file() else 0
    if size > limits.bytes:
        raise InputError(
            f'{path} has {size / _MB:.1f} MB, more than the {limits.megabytes:g} that are taken here: compress it, or '
            'use bsr upscale.'
        )
    try:
        return ImageFile(path, limits.pixels)
    except TooManyPixelsError as error:
        raise InputError(
            f'{path} has {error.width} x {error.height} pixels, more than the {limits.megapixels:g} megapixels '
            'that are taken here: make it smaller, or use bsr upscale.'
        ) from None
