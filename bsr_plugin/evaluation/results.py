"""``metrics.json``: what a test run measured, beside BasicSR's log in ``results/<name>``."""

import json
import math
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from bsr_plugin.atomic import write_text
from bsr_plugin.data.degradation import Degradation
from bsr_plugin.errors import InputError

FILE_NAME = 'metrics.json'
FORMAT = 2

#: The figures of published tables, whatever an option file calls them.
Kind = Literal['psnr_y', 'psnr_rgb', 'ssim_y']

#: JSON has no number for the PSNR of an image that equals its HR image: it is the string ``Infinity``.
_NON_FINITE = ConfigDict(ser_json_inf_nan='strings')


@dataclass(frozen=True, config=_NON_FINITE)
class ImageResult:
    """One image.

    Attributes:
        name: Name of the HR image, without folder and extension.
        gt: The HR image's file; in an LMDB, ``FOLDER.lmdb/NAME``.
        lq: The same of the LR image; ``None`` if it was made from the HR image.
        picture: The saved result, relative to the folder of the results; ``None`` if pictures were not saved.
        values: Name of a metric in the option file -> its value.
    """

    name: str
    gt: str
    lq: str | None
    picture: str | None
    values: dict[str, float]


@dataclass(frozen=True)
class SkippedImage:
    """An image that could not be measured, and why, in one sentence."""

    name: str
    reason: str


@dataclass(frozen=True, config=_NON_FINITE)
class SetResult:
    """One benchmark set.

    Attributes:
        name: Its name in the option file.
        scale: Factor from LR to HR; ``None`` for a test without one, such as one of denoising.
        degradation: How its LR images were made.
        mean: Name of a metric -> mean over ``images``.
    """

    name: str
    scale: int | None
    degradation: Degradation
    images: list[ImageResult]
    skipped: list[SkippedImage]
    mean: dict[str, float]

    @property
    def key(self) -> tuple[str, int | None, Degradation]:
        """What runs have in common that measured the same: name, scale and degradation."""
        return self.name, self.scale, self.degradation

    @property
    def factor(self) -> int:
        """The scale.

        Raises:
            InputError: The test had none.
        """
        if self.scale is None:
            raise InputError(f'{self.name} was tested without scale: set it in the option file and run the test again.')
        return self.scale


@dataclass(frozen=True, config=_NON_FINITE)
class RunResult:
    """A test run.

    Attributes:
        network: The section ``network_g`` of the option file.
        parameters: Number of weights of the network.
        weights: File of the weights; ``None`` for a network with the random weights it began with.
        param_key: Which weights of that file.
        metrics: Name of a metric -> its section of the option file.
        sets: What was measured so far.
        versions: Package -> version.
        format: Version of this file's form.
    """

    name: str
    network: dict[str, Any]
    parameters: int
    weights: str | None
    param_key: str | None
    metrics: dict[str, dict[str, Any]]
    sets: list[SetResult] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def warnings(self) -> list[str]:
        """Why figures are not what they seem: one sentence each."""
        random = f'{self.name} has no weights (pretrain_network_g is ~): its figures are those of a random network.'
        return ([] if self.weights else [random]) + [
            f'{self.name}, {part.name}, {image.name}: {metric} is NaN, and so is its mean.'
            for part in self.sets
            for image in part.images
            for metric, value in image.values.items()
            if math.isnan(value)
        ]

    @property
    def left_out(self) -> list[str]:
        """What was not measured, and why: one sentence each."""
        return [
            f'{self.name}, {part.name}, {image.name}: {image.reason}' for part in self.sets for image in part.skipped
        ] + [f'{self.name}, {part.name}: no image was measured.' for part in self.sets if not part.images]

    def metric_named(self, kind: Kind) -> str | None:
        """Under which name a figure of published tables was measured; ``None`` if it was not."""
        return next((name for name, options in self.metrics.items() if kind_of(options) == kind), None)

    def value(self, of: ImageResult | SetResult, kind: Kind) -> float | None:
        """A figure of published tables for an image or, as the mean, for a set; ``None`` if it was not measured."""
        values = of.mean if isinstance(of, SetResult) else of.values
        return values.get(self.metric_named(kind) or '')


def place_of(path: str, dataroot: str | None) -> str:
    """Where an image lies, from the path that its data set gives: for an LMDB the toolbox gives the key alone."""
    if dataroot is None or Path(dataroot).suffix != '.lmdb':
        return str(Path(path).resolve())
    return str(Path(dataroot).resolve() / (Path(path).stem if '/' in path else unquote(path)))


def kind_of(metric: Mapping[str, Any]) -> Kind | None:
    """Which figure of published tables a metric of an option file is, if any."""
    kinds: dict[tuple[Any, bool], Kind] = {
        ('calculate_psnr', True): 'psnr_y',
        ('calculate_psnr', False): 'psnr_rgb',
        ('calculate_ssim', True): 'ssim_y',
    }
    return kinds.get((metric.get('type'), bool(metric.get('test_y_channel'))))


def write_results(folder: Path, result: RunResult) -> Path:
    """Writes ``metrics.json``, whole or not at all; gives its path."""
    write_text(folder / FILE_NAME, _ADAPTER.dump_json(result, indent=1).decode() + '\n')
    return folder / FILE_NAME


def read_results(folder: Path) -> RunResult:
    """Reads the ``metrics.json`` of a results folder.

    Raises:
        InputError: There is none, or it is damaged or of another version.
    """
    path = folder / FILE_NAME
    try:
        text = path.read_bytes()
        version = json.loads(text).get('format')
        if version == FORMAT:
            return _ADAPTER.validate_json(text)
    except OSError as error:
        raise InputError(
            f"{folder} has no {FILE_NAME}, which only this project's basicsr/test.py writes: run the test with it, and "
            'name its folder results/<name>.'
        ) from error
    except (ValueError, AttributeError) as error:
        wrong = error.errors()[0]['msg'] if isinstance(error, ValidationError) else error
        raise InputError(f'{path} cannot be read ({wrong}): run the test again.') from error
    raise InputError(f'{path} has format {version}, this version reads {FORMAT}: run the test again.')


_ADAPTER = TypeAdapter(RunResult)
