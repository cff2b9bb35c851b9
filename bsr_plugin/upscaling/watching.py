"""Progress callbacks for the upscaling of files."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bsr_plugin.upscaling.plan import Job


class Watcher:
    """Receives progress; this default does nothing."""

    def begin(self, job: 'Job') -> None:
        """A file is next."""

    def advance(self, pixels: float) -> None:
        """So many output pixels are done, or need not be done."""

    def failed(self, job: 'Job', reason: str) -> None:
        """A file cannot be upscaled."""
