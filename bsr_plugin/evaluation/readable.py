"""A benchmark set read ahead of the network, without the images that cannot be measured."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from basicsr.utils import get_root_logger
from torch.utils.data import Dataset, default_collate

from bsr_plugin.errors import InputError
from bsr_plugin.evaluation.results import SkippedImage
from bsr_plugin.parallel import ordered_map


@dataclass(frozen=True, eq=False)
class GivenImage:
    """An image that the network is given.

    Attributes:
        gt: The HR image's file.
        lq: The LR image's file.
    """

    gt: str
    lq: str


class ReadableImages:
    """Stands in for the toolbox's loader: batches of one image, in order.

    An image that raises ``InputError`` is named in the log and left out; the rest of the run is kept. A thread reads
    one image ahead.

    Args:
        dataset: The set; only its readable images are given.

    Attributes:
        dataset: The same.
        current: The image that was given last.
        skipped: The images left out so far.
    """

    def __init__(self, dataset: Any) -> None:
        self.dataset: Dataset[Any] = dataset
        self.current: GivenImage | None = None
        self.skipped: list[SkippedImage] = []
        self._ahead: list[dict[str, Any]] = []
        self._samples = self._read()

    def __len__(self) -> int:
        """Number of images, those included that will turn out unreadable."""
        return len(self.dataset)  # type: ignore[arg-type]

    def any(self) -> bool:
        """Whether an image is left; reads up to it."""
        if not self._ahead:
            self._ahead = [sample for sample in [next(self._samples, None)] if sample is not None]
        return bool(self._ahead)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Gives the images; once."""
        for sample in chain(self._ahead, self._samples):
            self.current = GivenImage(sample.get('gt_path', sample['lq_path']), sample['lq_path'])
            yield default_collate([sample])

    def _read(self) -> Iterator[dict[str, Any]]:
        for position, sample in enumerate(ordered_map(self._sample, range(len(self)), workers=1)):
            if isinstance(sample, InputError):
                names = getattr(self.dataset, 'names', None)
                name = names[position] if names else f'number {position + 1}'
                self.skipped.append(SkippedImage(name, str(sample)))
                get_root_logger().warning('%s is left out: %s', name, sample)
            else:
                yield sample

    def _sample(self, position: int) -> dict[str, Any] | InputError:
        try:
            return self.dataset[position]
        except InputError as error:
            return error
