"""The bicubic row, measured on the very files a test run measured."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from bsr_plugin.data.degradation import Degradation, crop_to_multiple, degrade
from bsr_plugin.data.image_file import read_image
from bsr_plugin.data.store import open_store
from bsr_plugin.errors import InputError
from bsr_plugin.evaluation.results import ImageResult, SetResult
from bsr_plugin.parallel import ordered_map
from bsr_plugin.progress import progress
from bsr_plugin.report.bicubic import Image, Quality, interpolation_quality

#: What identifies a bicubic figure: HR image, LR image if one was given, factor, degradation.
BaselineKey = tuple[str, str | None, int | None, Degradation]


def read_pair(measured: SetResult, image: ImageResult) -> tuple[Image, Image | None]:
    """HR image, (s*h, s*w, 3) BGR, and LR image, (h, w, 3), or ``None`` if it was made, as the test run read them.

    Raises:
        InputError: One is gone, cannot be read, or they do not belong together any more; or the test had no scale.
    """
    factor, hr = measured.factor, _read(Path(image.gt))
    if image.lq is None:
        return crop_to_multiple(hr, factor), None
    lr = _read(Path(image.lq))
    height, width = (factor * side for side in lr.shape[:2])
    if hr.shape[0] < height or hr.shape[1] < width:
        raise InputError(f'{image.gt} is smaller than {factor} times {image.lq}: run the test again.')
    return hr[:height, :width], lr


def _read(place: Path) -> Image:
    if place.parent.suffix != '.lmdb':
        return read_image(place)
    store = open_store(place.parent, 'lmdb')
    if place.name not in store.names:
        raise InputError(f'{place.parent} has no image {place.name} any more: run the test again.')
    return store.image(store.names.index(place.name))


def lr_image(measured: SetResult, image: ImageResult) -> Image:
    """The LR image of a result, given or made from its HR image, (h, w, 3) BGR.

    Raises:
        InputError: As :func:`read_pair`.
    """
    hr, lr = read_pair(measured, image)
    return degrade(hr, measured.factor, measured.degradation) if lr is None else lr


def key_of(measured: SetResult, image: ImageResult) -> BaselineKey:
    """What identifies the bicubic figure of a result."""
    return image.gt, image.lq, measured.scale, measured.degradation


def measure_baselines(sets: Iterable[SetResult]) -> tuple[dict[BaselineKey, Quality], list[str]]:
    """Bicubic interpolation on every image of the sets, each once, on the paper's protocol.

    Sets without a scale are left out.

    Returns:
        The figures, and a sentence for every image that is gone or cannot be read any more.
    """
    scaled = [measured for measured in sets if measured.scale is not None]
    wanted = {key_of(measured, image): (measured, image) for measured in scaled for image in measured.images}

    def measure(pair: tuple[SetResult, ImageResult]) -> Quality | InputError:
        """The figure of an image, or why there is none."""
        measured, image = pair
        try:
            hr, lr = read_pair(measured, image)
            return interpolation_quality(hr, measured.factor, measured.degradation, image.gt, lr)
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
