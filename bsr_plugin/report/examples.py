"""Images to look at: bicubic interpolation, every test run and the HR image, region by region (Fig. 2 and 7)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from bsr_plugin.data.degradation import degrade, imresize
from bsr_plugin.data.image_file import read_image
from bsr_plugin.errors import InputError
from bsr_plugin.evaluation.results import ImageResult, RunResult, SetResult
from bsr_plugin.pic.measure import gradient_map, window_sums
from bsr_plugin.report.baselines import BaselineKey, key_of, read_pair
from bsr_plugin.report.bicubic import Image, Quality
from bsr_plugin.report.style import PRINT, caption, new_figure

BICUBIC_LABEL, HR_LABEL = 'Bicubic', 'HR'
#: Sides in HR pixels: of what the page shows of an image, and of the detail that is enlarged.
REGION, DETAIL = 320, 64


@dataclass(frozen=True)
class Version:
    """An image by one method, (H, W, 3) BGR uint8, and its PSNR-Y in dB; ``None`` for the HR image."""

    label: str
    picture: Image
    psnr: float | None = None

    @property
    def caption(self) -> str:
        """Label and PSNR."""
        return self.label if self.psnr is None else f'{self.label}, {self.psnr:.2f} dB'


@dataclass(frozen=True)
class Example:
    """An image of a benchmark set in all versions, which are of one size: bicubic first, HR last."""

    dataset: str
    scale: int
    degradation: str
    name: str
    versions: tuple[Version, ...]

    @property
    def detail(self) -> tuple[int, int, int]:
        """Top, left and side of the square with the most texture."""
        side = min(DETAIL, *self.versions[-1].picture.shape[:2])
        return *busiest_region(self.versions[-1].picture, side), side

    @property
    def region(self) -> tuple[slice, slice]:
        """Rows and columns of what the page shows: the detail and what is around it."""
        top, left, side = self.detail
        height, width = self.versions[-1].picture.shape[:2]
        return _around(top + side // 2, REGION, height), _around(left + side // 2, REGION, width)


def busiest_region(image: Image, side: int) -> tuple[int, int]:
    """Upper left corner of the ``side`` x ``side`` window with the highest PIC; (0, 0) if the image is smaller."""
    sums = window_sums(gradient_map(image), side)
    if not sums.size:
        return 0, 0
    top, left = np.unravel_index(int(sums.argmax()), sums.shape)
    return int(top), int(left)


def _around(centre: int, length: int, limit: int) -> slice:
    start = min(max(0, centre - length // 2), max(0, limit - length))
    return slice(start, min(limit, start + length))


def choose(
    runs: Sequence[RunResult], baselines: Mapping[BaselineKey, Quality], per_set: int
) -> list[tuple[SetResult, ImageResult]]:
    """Images of every set that the first runs with saved pictures tested, from the largest gain to the smallest.

    The gain is the first such run's PSNR-Y over bicubic interpolation; both ends are always among them. ``per_set`` is
    the number of images for each set, scale and degradation.
    """
    chosen: dict[tuple[str, int | None, str], list[tuple[SetResult, ImageResult]]] = {}
    for run in runs:
        for part in run.sets:
            shown = [image for image in part.images if image.picture and key_of(part, image) in baselines]
            if part.key in chosen or not shown or not per_set:
                continue
            bicubic = np.array([baselines[key_of(part, image)].psnr_y for image in shown])
            gains = np.array([run.value(image, 'psnr_y') for image in shown], float) - bicubic
            order = np.argsort(-np.nan_to_num(gains), kind='stable')
            places = np.linspace(0, len(shown) - 1, min(per_set, len(shown))).round().astype(int)
            chosen[part.key] = [(part, shown[place]) for place in order[places]]
    return [pair for pairs in chosen.values() for pair in pairs]


def load_example(
    runs: Sequence[RunResult], part: SetResult, image: ImageResult, baselines: Mapping[BaselineKey, Quality]
) -> Example:
    """Reads an image in all versions there are.

    Raises:
        InputError: The HR image or a saved picture is gone, or has another size than it had.
    """
    truth, lr = read_pair(part, image)
    lr = degrade(truth, part.factor, part.degradation) if lr is None else lr
    quality = baselines.get(key_of(part, image))
    versions = [Version(BICUBIC_LABEL, imresize(lr, *truth.shape[:2]), quality.psnr_y if quality else None)]
    for run in runs:
        found = _same_image(run, part, image)
        if found is not None and found.picture is not None:
            picture = read_image(Path(found.picture))
            truth = truth[: picture.shape[0], : picture.shape[1]]  # another run's LR images may stem from a smaller cut
            versions.append(Version(run.name, picture, run.value(found, 'psnr_y')))
    versions = [_cut(version, truth) for version in [*versions, Version(HR_LABEL, truth)]]
    return Example(part.name, part.factor, part.degradation, image.name, tuple(versions))


def _same_image(run: RunResult, part: SetResult, image: ImageResult) -> ImageResult | None:
    parts = [other for other in run.sets if (other.scale, other.degradation) == (part.scale, part.degradation)]
    return next((other for each in parts for other in each.images if other.gt == image.gt), None)


def _cut(version: Version, truth: Image) -> Version:
    picture = version.picture[: truth.shape[0], : truth.shape[1]]
    if picture.shape != truth.shape:
        raise InputError(f'The saved picture of {version.label} is smaller than others of it: run the test again.')
    return replace(version, picture=picture)


def crops_figure(examples: Sequence[Example]) -> Figure:
    """One row for each image: the whole, then the detail with the most texture in every version, enlarged."""
    columns = 1 + max(len(example.versions) for example in examples)
    figure = new_figure(1.9 * columns, 2.3 * len(examples), PRINT)
    panels = figure.subplots(len(examples), columns, squeeze=False)
    for axes in panels.flat:
        axes.set_axis_off()
    for row, example in zip(panels, examples, strict=True):
        top, left, side = example.detail
        row[0].imshow(example.versions[-1].picture[..., ::-1])
        frame = Rectangle((left - 0.5, top - 0.5), side, side, fill=False, edgecolor=PRINT.of(1), linewidth=1.5)
        row[0].add_patch(frame)
        caption(row[0], f'{example.dataset}: {example.name}, x{example.scale}', PRINT)
        for axes, version in zip(row[1:], example.versions, strict=False):
            axes.imshow(version.picture[top : top + side, left : left + side, ::-1], interpolation='nearest')
            caption(axes, version.caption, PRINT)
    return figure
