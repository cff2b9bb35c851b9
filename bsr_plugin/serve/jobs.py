"""Jobs of the page: one at a time, into files that go when the page that asked for them is closed."""

import shutil
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bsr_plugin.errors import InputError
from bsr_plugin.serve.folder import remove_older
from bsr_plugin.serve.limits import Limits, open_upload
from bsr_plugin.serve.previews import write_previews
from bsr_plugin.upscaling.files import FileSettings, upscale_files
from bsr_plugin.upscaling.network import RGBNetwork
from bsr_plugin.upscaling.plan import Job, plan
from bsr_plugin.upscaling.watching import Watcher

#: Seconds after which files are removed, whether or not their page is still open.
KEPT_FOR = 3600.0


class JobCancelledError(Exception):
    """The page was closed, or the server is ending."""


@dataclass(frozen=True)
class Result:
    """An image that was upscaled.

    Attributes:
        file: The very file that ``bsr upscale`` writes, named such as ``photo_x2.png``.
        previews: Bicubic interpolation and the result, as PNG files of 8 bits.
        input_size: Width and height of the image that was uploaded, upright.
        output_size: Width and height of the result.
        seconds: What the upscaling took, with reading and writing.
    """

    file: Path
    previews: tuple[Path, Path]
    input_size: tuple[int, int]
    output_size: tuple[int, int]
    seconds: float


class Jobs:
    """Upscales what was uploaded to the pages of one server; safe to call from several threads.

    Attributes:
        limits: The largest inputs.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        """Keeps files in ``folder``, where every upload has a folder of its own."""
        self.limits = limits
        self._folder = folder
        self._one_at_a_time = threading.Lock()
        self._changing = threading.Lock()  # held while what follows is read or changed
        self._folders: defaultdict[str, set[Path]] = defaultdict(set)  # of every page
        self._running: str | None = None  # the page whose job it is
        self._cancelled = self._closed = False

    def run(self, page: str, upload: Path, network: RGBNetwork, report: Callable[[float], object]) -> Result:
        """Upscales a file, after the jobs that came before.

        Args:
            page: What the page is known by.
            upload: The file.
            network: What upscales.
            report: Called with the share of the work that is done, after every tile.

        Raises:
            InputError: The file cannot be upscaled; the sentence names it without its folder.
            JobCancelledError: The page was closed meanwhile, or the server is ending.
            OSError: The disk is full, or the like.
        """
        with self._one_at_a_time:
            made = self._begin(page, upload)
            try:
                return self._upscale(upload, made, network, report)
            except InputError as error:
                raise InputError(_without_folders(str(error), upload.parent, made)) from None
            finally:
                self._finish(page)

    def is_upload(self, path: Path) -> bool:
        """Whether a path is that of an upload, or in a folder beside those of uploads."""
        return path.resolve().parent.parent == self._folder.resolve()

    def end(self, page: str) -> None:
        """Cancels the job of a page that was closed, and removes its files but for those that others use, too."""
        with self._changing:
            if page == self._running:
                self._cancelled = True
            folders = self._folders.pop(page, set())
            unused = folders.difference(*self._folders.values())
        for folder in unused:
            shutil.rmtree(folder, ignore_errors=True)

    def remove_old(self) -> None:
        """Removes files older than ``KEPT_FOR`` seconds, and what uploads that were broken off have left."""
        with self._changing:
            busy = set(self._folders[self._running]) if self._running else set()
        remove_older(self._folder, KEPT_FOR, busy)

    def close(self, seconds: float = 30) -> None:
        """Cancels the job that runs and those that would begin, and waits for the end of the tile in work."""
        self._closed = True
        if self._one_at_a_time.acquire(timeout=seconds):
            self._one_at_a_time.release()

    def _begin(self, page: str, upload: Path) -> Path:
        """A folder for the results."""
        if not self.is_upload(upload):
            raise InputError(f'{upload.name} is not an upload: choose a file.')
        with self._changing:
            if self._closed:
                raise JobCancelledError
            self._running, self._cancelled = page, False
            made = Path(tempfile.mkdtemp(dir=self._folder))
            self._folders[page] |= {upload.parent, made}
        return made

    def _finish(self, page: str) -> None:
        with self._changing:
            self._running, cancelled = None, self._cancelled or self._closed
        if cancelled:
            self.end(page)

    def _upscale(self, upload: Path, made: Path, network: RGBNetwork, report: Callable[[float], object]) -> Result:
        image = open_upload(upload, self.limits)
        input_size, output_size = ((factor * image.width, factor * image.height) for factor in (1, network.scale))
        (job,) = plan([str(upload)], made)
        job = Job(upload, job.target.with_stem(f'{upload.stem}_x{network.scale}'))
        watcher = _Reporting(output_size[0] * output_size[1], report, self._is_cancelled)
        began = time.perf_counter()
        outcome = upscale_files([job], network, FileSettings(max_pixels=self.limits.pixels), watcher)
        seconds = time.perf_counter() - began
        for reason in outcome.failed.values():
            raise InputError(reason)
        previews = write_previews(upload, job.target, network.scale, made)
        return Result(job.target, previews, input_size, output_size, seconds)

    def _is_cancelled(self) -> bool:
        return self._closed or self._cancelled


class _Reporting(Watcher):
    """Says what share is done, and stops a job that was cancelled before its next tile."""

    def __init__(self, total: int, report: Callable[[float], object], is_cancelled: Callable[[], bool]) -> None:
        self._total, self._report, self._is_cancelled = total, report, is_cancelled
        self._done = 0.0

    def advance(self, pixels: float) -> None:
        if self._is_cancelled():
            raise JobCancelledError
        self._done += pixels
        self._report(min(self._done / self._total, 1.0))


def _without_folders(sentence: str, *folders: Path) -> str:
    """What a visitor of the page may see of a path: the name that was uploaded."""
    for folder in folders:
        sentence = sentence.replace(f'{folder}/', '')
    return sentence
