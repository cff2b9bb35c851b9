"""The bicubic row, measured on the very files a test run measured."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bsr_plugin.data.degradation import Degradation, crop_to_multiple, degrade
from bsr_plugin.data.image_file import read_image
from bsr_plugin.data.store import open_store
from bsr_plugin.errors import InputError
from bsr_plugin.evaluation.results import ImageResult, SetResult
from bsr_plugin.parallel import ordered_map
from bsr_plugin.progress import progress
from bsr_plugin.report.bicubic import Quality, interpolation_quality

Image = NDArray[np.uint8]

#: What identifies a bicubic figure: HR image, factor, degradation.
BaselineKey = tuple[str, int, Degradation]


def hr_image(measured: SetResult, image: ImageResult) -> Image:
    """The HR image of a result, cut to a multiple of the scale, (H, W, 3) BGR.

    Raises:
        InputError: It is gone or cannot be read.
    """
    if measured.io_backend == 'disk' or measured.gt_folder is None:
        whole = read_image(Path(image.gt))
    else:
        store = open_store(measured.gt_folder, measured.io_backend)
        whole = store.image(store.names.index(image.name))
    return crop_to_multiple(whole, measured.scale)


def lr_image(measured: SetResult, image: ImageResult) -> Image:
    """The LR image of a result, made from its HR image, (h, w, 3) BGR.

    Raises:
        InputError: The HR image is gone or cannot be read.
    """
    return degrade(hr_image(measured, image), measured.scale, measured.degradation)


def key_of(measured: SetResult, image: ImageResult) -> BaselineKey:
    """What identifies the bicubic figure of a result."""
    return image.gt, measured.scale, measured.degradation


def measure_baselines(sets: Iterable[SetResult]) -> tuple[dict[BaselineKey, Quality], list[str]]:
    """Bicubic interpolation on every HR image of the sets, each once, on the paper's protocol.

    Returns:
        The figures, and a sentence for every image that is gone or cannot be read any more.
    """
    wanted = {key_of(measured, image): (measured, image) for measured in sets for image in measured.images}

    def measure(pair: tuple[SetResult, ImageResult]) -> Quality | InputError:
        measured, image = pair
        try:
            return interpolation_quality(hr_image(measured, image), measured.scale, measured.degradation, image.gt)
        except InputError as error:
            return error

    found = list(
        progress(ordered_map(measure, wanted.values()), total=len(wanted), label='Bicubic interpolation', unit='image')
    )
    figures = {key: quality for key, quality in zip(wanted, found, strict=True) if isinstance(quality, Quality)}
    return figures, [f'No bicubic figure: {error}' for error in found if isinstance(error, InputError)]


def baseline_of(measured: SetResult, baselines: Mapping[BaselineKey, Quality]) -> list[Quality]:
    """The bicubic figures of a set, in the order of its images, those left out that have none."""
    keys = (key_of(measured, image) for image in measured.images)
    return [baselines[key] for key in keys if key in baselines]
