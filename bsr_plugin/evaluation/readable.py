"""A benchmark set read ahead of the network, without the images that cannot be measured."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from basicsr.utils import get_root_logger
from torch.utils.data import default_collate

from bsr_plugin.errors import InputError
from bsr_plugin.evaluation.results import SkippedImage
from bsr_plugin.parallel import ordered_map


@dataclass(frozen=True)
class GivenImage:
    """An image that the network is given.

    Attributes:
        gt: The HR image's file.
        lq: The LR image's file.
    """

    gt: str
    lq: str


class ReadableImages:
    """The images of a set as batches of one, in order, without those that cannot be read.

    An image that raises ``InputError`` is named in the log and left out; the rest of the run is kept. A thread reads
    one image ahead.

    Args:
        dataset: The set.

    Attributes:
        dataset: The same.
        skipped: The images left out so far.
    """

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self.skipped: list[SkippedImage] = []

    def __len__(self) -> int:
        """Number of images, those included that will turn out unreadable."""
        return len(self.dataset)

    def __iter__(self) -> Iterator[tuple[GivenImage, dict[str, Any]]]:
        """Gives the images, each with its batch."""
        for position, sample in enumerate(ordered_map(self._sample, range(len(self)), workers=1)):
            if isinstance(sample, InputError):
                names = getattr(self.dataset, 'names', None)
                name = names[position] if names else f'number {position + 1}'
                self.skipped.append(SkippedImage(name, str(sample)))
                get_root_logger().warning('%s is left out: %s', name, sample)
            else:
                given = GivenImage(sample.get('gt_path', sample['lq_path']), sample['lq_path'])
                yield given, default_collate([sample])

    def _sample(self, position: int) -> dict[str, Any] | InputError:
        try:
            return self.dataset[position]
        except InputError as error:
            return error
