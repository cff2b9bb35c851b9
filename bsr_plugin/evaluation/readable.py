"""A benchmark set read ahead of the network, without the images that cannot be measured."""

from collections.abc import Iterator
from typing import Any

from basicsr.utils import get_root_logger
from torch.utils.data import default_collate

from bsr_plugin.errors import InputError
from bsr_plugin.evaluation.results import SkippedImage
from bsr_plugin.parallel import ordered_map


class ReadableImages:
    """The images of a set as batches of one, in order, without those that cannot be read.

    An image that raises ``InputError`` is named in the log and left out; the rest of the run is kept. A thread reads
    ahead.

    Attributes:
        dataset: The set.
        skipped: The images left out so far.
    """

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self.skipped: list[SkippedImage] = []

    def __len__(self) -> int:
        """Number of images, those included that will turn out unreadable."""
        return len(self.dataset)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Gives the batches."""
        for position, sample in enumerate(ordered_map(self._sample, range(len(self)), workers=1)):
            if isinstance(sample, InputError):
                names = getattr(self.dataset, 'names', None)
                name = names[position] if names else f'number {position + 1}'
                self.skipped.append(SkippedImage(name, str(sample)))
                get_root_logger().warning('%s is left out: %s', name, sample)
            else:
                yield default_collate([sample])

    def _sample(self, position: int) -> dict[str, Any] | InputError:
        try:
            return self.dataset[position]
        except InputError as error:
            return error
