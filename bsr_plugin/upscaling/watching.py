"""Who is told how the upscaling of files goes on."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bsr_plugin.upscaling.plan import Job


class Watcher:
    """Is told how the work goes on; this one does not care."""

    def begin(self, job: 'Job') -> None:
        """A file is next."""

    def advance(self, pixels: float) -> None:
        """So many output pixels are done, or need not be done."""

    def failed(self, job: 'Job', reason: str) -> None:
        """A file cannot be upscaled."""
