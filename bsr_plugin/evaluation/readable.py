"""A benchmark set read ahead of the network, without the images that cannot be measured."""

from collections.abc import Iterator, Mapping
from typing import Any

from basicsr.utils import get_root_logger
from torch.utils.data import default_collate

from bsr_plugin.errors import InputError
from bsr_plugin.evaluation.results import SkippedImage
from bsr_plugin.parallel import ordered_map

#: Side of what a metric needs once the borders are cut off; SSIM has a window of 11 pixels.
_SIDES = {'calculate_psnr': 1, 'calculate_ssim': 11}


class ReadableImages:
    """The images of a set as batches of one, in order, without those that cannot be read or measured.

    An image that raises ``InputError``, or is too small for a metric once the borders are cut off, is named in the log
    and left out; the rest of the run is kept. A thread reads ahead.

    Args:
        dataset: The set.
        metrics: Name of a metric -> its section of the option file.

    Attributes:
        dataset: The set.
        skipped: The images left out so far.
    """

    def __init__(self, dataset: Any, metrics: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self.dataset = dataset
        self._metrics = metrics or {}
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
            sample = self.dataset[position]
            self._check_size(sample)
            return sample
        except InputError as error:
            return error

    def _check_size(self, sample: Mapping[str, Any]) -> None:
        if 'gt' not in sample:
            return
        height, width = sample['gt'].shape[-2:]
        for name, options in self._metrics.items():
            border = options.get('crop_border', 0)
            smallest = _SIDES.get(options.get('type', ''), 0) + 2 * border
            if min(height, width) < smallest:
                raise InputError(
                    f'{sample.get("gt_path", "The HR image")} is {height}x{width}, too small for {name}, which takes '
                    f'{smallest} pixels a side with crop_border {border}: leave the image or the metric out.'
                )
