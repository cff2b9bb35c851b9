"""Keeps what a test measures, image by image, for every model that validates as ``SRModel`` does.

The toolbox adds up a metric over the images and forgets them. :class:`Recorder` goes over the images itself, with the
model's ``feed_data``, ``test`` and ``get_current_visuals``, and with the toolbox's metrics, pictures and log lines.
"""

import math
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from basicsr.metrics import calculate_metric
from basicsr.models.sr_model import SRModel
from basicsr.utils import get_root_logger, imwrite, tensor2img
from tqdm import tqdm

import bsr_plugin
from bsr_plugin.evaluation.metric_pool import MetricPool
from bsr_plugin.evaluation.readable import GivenImage, ReadableImages
from bsr_plugin.evaluation.results import ImageResult, RunResult, SetResult, place_of, write_results
from bsr_plugin.models.failures import NonFiniteError

#: An image and its metrics, some of which are still being computed.
Measured = list[tuple[GivenImage, str | None, dict[str, 'Future[float]']]]


class Recorder:
    """Writes ``metrics.json`` into the results folder, anew after each set.

    Metrics are computed on threads beside the network; means are the toolbox's to the last bit. Images that cannot be
    read are named in the log and left out.

    Attributes:
        result: The run; ``None`` before its first set.
        skipped: Number of images left out in all sets.
    """

    def __init__(self) -> None:
        self.result: RunResult | None = None
        self.skipped = 0
        self._pool = MetricPool()

    def __enter__(self) -> 'Recorder':
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()

    def follow(self, model: Any) -> None:
        """Has a model validate through this recorder; one with a validation of its own keeps it, without a record."""
        if getattr(type(model), 'nondist_validation', None) is not SRModel.nondist_validation:
            get_root_logger().warning('%s validates in its own way: no metrics.json is written.', type(model).__name__)
            return

        def nondist_validation(dataloader: Any, current_iter: Any, tb_logger: Any, save_img: bool) -> None:
            self.record(model, dataloader.dataset, current_iter, tb_logger, save_img)

        model.nondist_validation = nondist_validation

    def record(self, model: Any, dataset: Any, current_iter: Any, tb_logger: Any, save_img: bool) -> None:
        """Measures one set and adds it to the file.

        Raises:
            NonFiniteError: A metric is NaN.
        """
        metrics = model.opt['val'].get('metrics') or {}
        images = ReadableImages(dataset)
        result = self.result or _run_result(model, metrics)
        for warning in result.warnings if self.result is None else ():
            get_root_logger().warning(warning)
        measured = self._measure(model, images, metrics, save_img)
        self.skipped += len(images.skipped)
        kept = _set_result(dataset.opt, measured, images, metrics)
        self.result = replace(result, sets=[*result.sets, kept])
        write_results(Path(model.opt['path']['results_root']), self.result)
        if kept.mean:
            _log(model, kept, current_iter, tb_logger)

    def _measure(self, model: Any, images: ReadableImages, metrics: dict[str, Any], save_img: bool) -> Measured:
        """Gives every image to the network, then to the metrics."""
        measured: Measured = []
        progress = tqdm(images, total=len(images), unit='image', disable=not model.opt['val'].get('pbar', False))
        for given, batch in progress:
            picture = _picture(model.opt, images.dataset.opt['name'], given) if save_img else None
            result, truth = _super_resolve(model, batch)
            if picture is not None:
                imwrite(result, str(Path(model.opt['path']['results_root']) / picture))
            compared = {'img': result} if truth is None else {'img': result, 'img2': truth}
            values = {name: self._pool.submit(_metric(compared, options)) for name, options in metrics.items()}
            measured.append((given, picture, values))
        return measured


def _metric(compared: dict[str, Any], options: dict[str, Any]) -> Any:
    return lambda: float(calculate_metric(compared, options))


def _super_resolve(model: Any, batch: dict[str, Any]) -> tuple[Any, Any]:
    """The result and the ground truth, (H, W, C) BGR uint8; ``None`` for a set without ground truth."""
    model.feed_data(batch)
    model.test()
    visuals = model.get_current_visuals()
    result = tensor2img([visuals['result']])
    truth = tensor2img([visuals['gt']]) if 'gt' in visuals else None
    # As the toolbox does, so that the largest image of a set decides how much memory it takes.
    del model.lq, model.output
    if truth is not None:
        del model.gt
    torch.cuda.empty_cache()
    return result, truth


def _picture(opt: dict[str, Any], set_name: str, given: GivenImage) -> str:
    """Where SRModel saves a result, relative to the results folder."""
    suffix = opt['val'].get('suffix') or opt['name']
    return f'visualization/{set_name}/{Path(given.lq).stem}_{suffix}.png'


def _log(model: Any, kept: SetResult, current_iter: Any, tb_logger: Any) -> None:
    model.metric_results = dict(kept.mean)
    model._initialize_best_metric_results(kept.name)
    for name, value in kept.mean.items():
        model._update_best_metric_result(kept.name, name, value, current_iter)
    model._log_validation_metric_values(current_iter, kept.name, tb_logger)


def _set_result(opt: dict[str, Any], measured: Measured, images: ReadableImages, metrics: dict[str, Any]) -> SetResult:
    results = [
        ImageResult(
            name=Path(given.gt).stem,
            gt=place_of(given.gt, opt.get('dataroot_gt')),
            lq=place_of(given.lq, opt['dataroot_lq']) if opt.get('dataroot_lq') else None,
            picture=picture,
            values={name: _finite(value.result(), name, given) for name, value in values.items()},
        )
        for given, picture, values in measured
    ]
    return SetResult(
        name=opt['name'],
        scale=opt['scale'],
        degradation=opt.get('degradation') or 'bicubic',
        images=results,
        skipped=images.skipped,
        mean={name: sum(each.values[name] for each in results) / len(results) for name in metrics if results},
    )


def _finite(value: float, metric: str, given: GivenImage) -> float:
    """A metric; the PSNR of identical images is infinite, but NaN is the figure of nothing."""
    if math.isnan(value):
        raise NonFiniteError(f'{metric} of {given.gt} is NaN: the network gives values that are not finite')
    return value


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
