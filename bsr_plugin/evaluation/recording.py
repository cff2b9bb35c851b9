"""Keeps what the toolbox's test program measures, image by image, whichever engine runs it.

The toolbox adds up a metric over the images and forgets them. For the time of a test, ``recording`` steps in at two
places that all engines built on ``SRModel`` share: ``BaseModel.validation``, which every engine goes through, and the
function that ``SRModel``'s loop calls for every metric of every image.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from basicsr.utils import get_root_logger

import bsr_plugin
from bsr_plugin.evaluation.deferred import BesideTheNetwork, Deferred
from bsr_plugin.evaluation.readable import GivenImage, ReadableImages
from bsr_plugin.evaluation.results import ImageResult, RunResult, SetResult, place_of, write_results


@contextmanager
def recording() -> Iterator['Recorder']:
    """Writes ``metrics.json`` into the results folder, anew after each set, while test programs run inside the block.

    Metrics are computed on threads beside the network, with the results of computing them in turn. Images that cannot
    be measured are named in the log and left out.
    """
    from basicsr.models import sr_model
    from basicsr.models.base_model import BaseModel

    stock_validation, stock_metric = BaseModel.validation, sr_model.calculate_metric
    recorder = Recorder(stock_metric)

    def validation(model: Any, dataloader: Any, current_iter: Any, tb_logger: Any, save_img: bool = False) -> None:
        """Records on rank 0, where metrics are computed."""

        def validate(images: Any) -> None:
            stock_validation(model, images, current_iter, tb_logger, save_img)

        if model.opt.get('rank', 0) == 0:
            recorder.record(model, dataloader.dataset, validate, save_img)
        else:
            validate(dataloader)

    BaseModel.validation, sr_model.calculate_metric = validation, recorder.metric
    try:
        yield recorder
    finally:
        BaseModel.validation, sr_model.calculate_metric = stock_validation, stock_metric
        recorder.close()


class Recorder:
    """What a test run has measured so far.

    Args:
        calculate: The toolbox's ``calculate_metric``.

    Attributes:
        result: The run; ``None`` before its first set.
        skipped: Number of images left out in all sets.
    """

    def __init__(self, calculate: Callable[[dict[str, Any], dict[str, Any]], float]) -> None:
        self.result: RunResult | None = None
        self.skipped = 0
        self._calculate = calculate
        self._threads = BesideTheNetwork()
        self._metrics: dict[str, dict[str, Any]] = {}
        self._images = ReadableImages([])
        self._measured: dict[GivenImage, dict[str, Future[float]]] = {}

    def record(self, model: Any, dataset: Any, validate: Callable[[Any], None], save_img: bool) -> None:
        """Runs the validation of one set and adds it to the file."""
        opt = model.opt
        self._metrics = opt['val'].get('metrics') or {}
        self._images, self._measured = ReadableImages(dataset), {}
        result = self.result or _run_result(model, self._metrics)
        for warning in result.warnings if self.result is None else ():
            get_root_logger().warning(warning)
        if self._images.any():
            validate(self._images)
        self.skipped += len(self._images.skipped)
        suffix = (opt['val'].get('suffix') or opt['name']) if save_img else None
        self.result = replace(result, sets=[*result.sets, self._set_result(dataset.opt, suffix)])
        write_results(Path(opt['path']['results_root']), self.result)

    def metric(self, data: dict[str, Any], options: dict[str, Any]) -> Deferred:
        """Takes the place of ``calculate_metric`` in ``SRModel``'s loop."""
        name = next(name for name, section in self._metrics.items() if section is options)
        images = dict(data)  # the loop puts the next image into the same dictionary
        value = self._threads.submit(lambda: self._calculate(images, options))
        given = self._images.current
        assert given is not None  # the loop measures what it was given
        self._measured.setdefault(given, {})[name] = value
        return Deferred([value])

    def close(self) -> None:
        """Ends the threads."""
        self._threads.close()

    def _set_result(self, opt: dict[str, Any], suffix: str | None) -> SetResult:
        images = [
            ImageResult(
                name=Path(given.gt).stem,
                gt=place_of(given.gt, opt.get('dataroot_gt')),
                lq=place_of(given.lq, opt['dataroot_lq']) if opt.get('dataroot_lq') else None,
                # as SRModel names the pictures it saves
                picture=suffix and f'visualization/{opt["name"]}/{Path(given.lq).stem}_{suffix}.png',
                values={name: float(value.result()) for name, value in values.items()},
            )
            for given, values in self._measured.items()
        ]
        names = self._metrics if images else {}
        return SetResult(
            name=opt['name'],
            scale=opt['scale'],
            degradation=opt.get('degradation') or 'bicubic',
            images=images,
            skipped=self._images.skipped,
            mean={name: sum(image.values[name] for image in images) / len(images) for name in names},
        )


def _run_result(model: Any, metrics: dict[str, dict[str, Any]]) -> RunResult:
    from basicsr.version import __version__ as basicsr_version

    opt = model.opt
    weights = opt['path'].get('pretrain_network_g')
    return RunResult(
        name=opt['name'],
        network=dict(opt['network_g']),
        parameters=sum(weight.numel() for weight in model.net_g.parameters()),
        weights=None if weights is None else str(Path(weights).resolve()),
        param_key=opt['path'].get('param_key_g', 'params'),
        metrics={name: dict(section) for name, section in metrics.items()},
        versions={'bsr_plugin': bsr_plugin.__version__, 'basicsr': basicsr_version},
    )
