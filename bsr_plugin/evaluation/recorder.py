"""Keeps what a test measures, image by image, for every model that validates as ``SRModel`` does.

The toolbox adds up a metric over the images and forgets them. :class:`Recorder` goes over the images itself, with the
model's ``feed_data``, ``test`` and ``get_current_visuals``, and with the toolbox's metrics, pictures and log lines.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from basicsr.metrics import calculate_metric
from basicsr.models.sr_model import SRModel
from basicsr.utils import get_root_logger, imwrite, tensor2img
from tqdm import tqdm

import bsr_plugin
from bsr_plugin.evaluation.readable import ReadableImages
from bsr_plugin.evaluation.results import ImageResult, RunResult, SetResult, place_of, write_results
from bsr_plugin.models.failures import NonFiniteError
from bsr_plugin.parallel import ordered_map


class Recorder:
    """Writes ``metrics.json`` into the results folder, anew after each set.

    Metrics are computed on threads beside the network; means are the toolbox's to the last bit. Images that cannot be
    read, or are too small for a metric, are named in the log and left out.

    Attributes:
        result: The run; ``None`` before its first set.
        skipped: Number of images left out in all sets.
    """

    def __init__(self) -> None:
        self.result: RunResult | None = None
        self.skipped = 0

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
        result = self.result or _run_result(model, metrics)
        for warning in result.warnings if self.result is None else ():
            get_root_logger().warning(warning)
        images = ReadableImages(dataset, metrics)
        measured = list(ordered_map(lambda each: _measured(*each, metrics), _super_resolved(model, images, save_img)))
        self.skipped += len(images.skipped)
        kept = SetResult(
            name=dataset.opt['name'],
            scale=dataset.opt.get('scale'),
            degradation=dataset.opt.get('degradation') or 'bicubic',
            images=measured,
            skipped=images.skipped,
            mean={name: sum(image.values[name] for image in measured) / len(measured) for name in metrics if measured},
        )
        self.result = replace(result, sets=[*result.sets, kept])
        write_results(Path(model.opt['path']['results_root']), self.result)
        if kept.mean:
            _log(model, kept, current_iter, tb_logger)


def _super_resolved(model: Any, images: ReadableImages, save_img: bool) -> Iterator[tuple[ImageResult, dict[str, Any]]]:
    """Gives every image to the network and saves the result where SRModel does; its values are still to come."""
    opt, dataset_opt = model.opt, images.dataset.opt
    suffix = opt['val'].get('suffix') or opt['name']
    for batch in tqdm(images, total=len(images), unit='image', disable=not opt['val'].get('pbar', False)):
        lq_path, gt_path = batch['lq_path'][0], batch.get('gt_path', batch['lq_path'])[0]
        picture = f'visualization/{dataset_opt["name"]}/{Path(lq_path).stem}_{suffix}.png' if save_img else None
        compared = _outputs(model, batch)
        if picture is not None:
            imwrite(compared['img'], str(Path(opt['path']['results_root']) / picture))
        image = ImageResult(
            name=Path(gt_path).stem,
            gt=place_of(gt_path, dataset_opt.get('dataroot_gt')),
            lq=place_of(lq_path, dataset_opt['dataroot_lq']) if dataset_opt.get('dataroot_lq') else None,
            picture=picture,
            values={},
        )
        yield image, compared


def _outputs(model: Any, batch: dict[str, Any]) -> dict[str, Any]:
    """``img``, the result, and ``img2``, the ground truth of a set that has one, (H, W, C) BGR uint8."""
    model.feed_data(batch)
    model.test()
    visuals = model.get_current_visuals()
    outputs = {key: tensor2img([visuals[of]]) for key, of in (('img', 'result'), ('img2', 'gt')) if of in visuals}
    # As the toolbox does, so that the largest image of a set decides how much memory it takes.
    del model.lq, model.output
    if 'gt' in visuals:
        del model.gt
    torch.cuda.empty_cache()
    return outputs


def _measured(image: ImageResult, compared: dict[str, Any], metrics: dict[str, dict[str, Any]]) -> ImageResult:
    """Computes the metrics of an image; the PSNR of identical images is infinite, but NaN is not a figure."""
    values = {name: float(calculate_metric(compared, options)) for name, options in metrics.items()}
    for name, value in values.items():
        if math.isnan(value):
            raise NonFiniteError(f'{name} of {image.gt} is NaN: the network gives values that are not finite')
    return replace(image, values=values)


def _log(model: Any, kept: SetResult, current_iter: Any, tb_logger: Any) -> None:
    model.metric_results = dict(kept.mean)
    model._initialize_best_metric_results(kept.name)
    for name, value in kept.mean.items():
        model._update_best_metric_result(kept.name, name, value, current_iter)
    model._log_validation_metric_values(current_iter, kept.name, tb_logger)


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
