"""Upscaling of image files: one by one, what is there is left, and what fails stops no other."""

import errno
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bsr_plugin.errors import InputError
from bsr_plugin.models.tiling import is_out_of_memory
from bsr_plugin.upscaling.comparison import write_comparison
from bsr_plugin.upscaling.network import RGBNetwork
from bsr_plugin.upscaling.plan import Job, comparison_path
from bsr_plugin.upscaling.reading import ImageFile
from bsr_plugin.upscaling.settings import MAX_PIXELS, QUALITY
from bsr_plugin.upscaling.strips import Tiling, upscale_strips
from bsr_plugin.upscaling.watching import Watcher
from bsr_plugin.upscaling.writing import check_format, sample_type, writing

#: Errors of a single output; a full disk is one of all.
_OF_ONE_FILE = (
    *(errno.EACCES, errno.EEXIST, errno.EINVAL, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOTDIR),
    *(errno.EPERM, errno.EROFS),
)


@dataclass(frozen=True)
class FileSettings:
    """How files are upscaled.

    Attributes:
        self_ensemble: Whether every tile is the mean over its eight flips and rotations.
        tiling: How images are cut.
        quality: Of JPEG, WebP and AVIF files.
        max_pixels: Pixels of the largest image that is read.
        overwrite: Whether outputs that are there and whole are made anew.
        compare: Whether bicubic interpolation and the result are written side by side, too.
    """

    self_ensemble: bool = False
    tiling: Tiling = field(default_factory=Tiling)
    quality: int = QUALITY
    max_pixels: int = MAX_PIXELS
    overwrite: bool = False
    compare: bool = False


@dataclass
class Outcome:
    """What became of the files.

    Attributes:
        done: Outputs that were written.
        skipped: Outputs that were there and whole.
        failed: Input -> why it has no output.
        pixels: Output pixels of those that were written.
    """

    done: list[Path] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    failed: dict[Path, str] = field(default_factory=dict)
    pixels: int = 0


def upscale_files(
    jobs: Sequence[Job], network: RGBNetwork, settings: FileSettings, watcher: Watcher | None = None
) -> Outcome:
    """Upscales files in their order. What is wrong with one of them is told, and the others are upscaled.

    Raises:
        OSError: Outputs cannot be written at all, for instance because the disk is full.
    """
    watcher, outcome = watcher or Watcher(), Outcome()
    for job in jobs:
        watcher.begin(job)
        try:
            image = ImageFile(job.source, settings.max_pixels)
            pixels = network.scale**2 * image.height * image.width
            if not settings.overwrite and _is_whole(job, image, network.scale, settings):
                outcome.skipped.append(job.target)
                watcher.advance(pixels)
                continue
            _upscale_file(job, image, network, settings, watcher)
        except InputError as error:
            outcome.failed[job.source] = str(error)
            watcher.failed(job, str(error))
        except OSError as error:
            if error.errno not in _OF_ONE_FILE:
                raise
            mend = f'give {job.source} a shorter name' if error.errno == errno.ENAMETOOLONG else 'correct the path'
            reason = f'{error.filename} cannot be written ({error.strerror}): {mend}.'
            outcome.failed[job.source] = reason
            watcher.failed(job, reason)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            reason = f'{job.source} does not fit in memory in tiles of {settings.tiling.tile}: give a smaller --tile.'
            outcome.failed[job.source] = reason
            watcher.failed(job, reason)
        else:
            outcome.done.append(job.target)
            outcome.pixels += pixels
    return outcome


def _upscale_file(job: Job, image: ImageFile, network: RGBNetwork, settings: FileSettings, watcher: Watcher) -> None:
    shape = network.scale * image.height, network.scale * image.width, image.bands
    check_format(job.target, *shape)
    dtype = sample_type(job.target, image.dtype)
    strips = upscale_strips(
        network,
        image.rows,
        (image.height, image.width),
        dtype,
        settings.tiling,
        settings.self_ensemble,
        advance=lambda share: watcher.advance(share * shape[0] * shape[1]),
    )
    with writing(job.target, shape, dtype, image.image, settings.quality) as writer:
        for strip in strips:
            writer.write(strip)
    if settings.compare:
        write_comparison(job.source, job.target, network.scale, settings.max_pixels)


def _is_whole(job: Job, image: ImageFile, scale: int, settings: FileSettings) -> bool:
    """Whether all of the output can be read, and has the size that it is to have."""
    if not job.target.is_file() or (settings.compare and not comparison_path(job.target).is_file()):
        return False
    try:
        there = ImageFile(job.target, scale**2 * settings.max_pixels)
        if (there.height, there.width) != (scale * image.height, scale * image.width):
            return False
        for start in range(0, there.height, settings.tiling.tile):
            there.rows(start, min(start + settings.tiling.tile, there.height))
    except InputError:
        return False
    return True
