"""Options that are right one by one and wrong together.

Every rule reads the mapping as the file gives it, also when other keys are wrong: what is missing or of another type is
for the schema to report.
"""

from collections.abc import Callable, Iterator
from inspect import Parameter

from pydantic import TypeAdapter, ValidationError

from bsr_plugin.data.dataset_options import NOT_OF_STORES, NOT_READ, misfit
from bsr_plugin.models import engine_options
from bsr_plugin.models.engine_options import Options, Problem, at
from bsr_plugin.options import registered
from bsr_plugin.options.datasets import PAIRED, sets_in
from bsr_plugin.schema.values import Whole
from bsr_plugin.schema.wording import line

#: Models whose options are declared key by key.
SR_MODELS = ('BSRModel', 'SRModel')
_WHOLE: TypeAdapter[int] = TypeAdapter(Whole)


def contradictions(options: Options) -> list[str]:
    """One line for every contradiction in an option file, as ``wording.line`` writes it."""
    return [line(path, sentence) for rule in RULES for path, sentence in rule(options)]


def _gt_size(options: Options) -> Iterator[Problem]:
    """`gt_size` is a multiple of `scale`: patches are whole LR pixels."""
    for key, dataset in sets_in(options).items():
        size, scale = _whole(dataset.get('gt_size')), _whole(dataset.get('scale')) or _whole(options.get('scale'))
        if size and scale and (wrong := misfit(size, scale)):
            yield ('datasets', key, 'gt_size'), wrong


def _window(options: Options) -> Iterator[Problem]:
    """`gt_size` / `scale` is a multiple of SwinIR's `window_size`: patches are not padded in training."""
    size, scale = _whole(at(options, 'datasets', 'train', 'gt_size')), _whole(options.get('scale'))
    network = at(options, 'network_g')
    if at(network, 'type') != 'SwinIR':
        return
    default = registered.arguments(registered.find('network', 'SwinIR'), 'network')['window_size'].default
    window = _whole(network.get('window_size', default))
    if size and scale and window and size % (scale * window):
        sentence = f'{size} is not a multiple of scale {scale} x window_size {window}'
        yield ('datasets', 'train', 'gt_size'), sentence


def _upscale(options: Options) -> Iterator[Problem]:
    """`network_g.upscale`, or `network_g.scale` for networks that call it so, is `scale`; left out, its default is."""
    scale, network = _whole(options.get('scale')), at(options, 'network_g')
    if scale is None or at(network, 'type') not in registered.names('network'):
        return
    arguments = registered.arguments(registered.find('network', network['type']), 'network')
    for key in [key for key in ('upscale', 'scale') if key in arguments]:
        argument, given = arguments[key], _whole(network.get(key))
        if given is not None and given != scale:
            yield ('network_g', key), f'{given} differs from scale {scale}'
        elif key not in network and argument.default not in (Parameter.empty, scale):
            yield ('network_g', key), f'missing; its default {argument.default} differs from scale {scale}'


def _scale(options: Options) -> Iterator[Problem]:
    """`scale` is given where a data set needs it; a data set's own `scale` is the same."""
    scale = _whole(options.get('scale'))
    for key, dataset in sets_in(options).items():
        own = _whole(dataset.get('scale'))
        if own and scale and own != scale:
            yield ('datasets', key, 'scale'), f'{own} differs from scale {scale}'
        elif not own and 'scale' not in options and dataset.get('type') in PAIRED:
            yield ('scale',), f'missing; {dataset["type"]} needs it'
            return


def _crop_border(options: Options) -> Iterator[Problem]:
    """`crop_border` is `scale` as in published tables, `scale` + 6 as for DIV2K, or 0; it stays wrong unnoticed in a
    file that was copied from another scale. (SRModel and BSRModel.)
    """
    scale, metrics = _whole(options.get('scale')), at(options, 'val', 'metrics')
    for name in metrics if isinstance(metrics, dict) and options.get('model_type') in SR_MODELS else ():
        border = _whole(at(metrics, name, 'crop_border'))
        if scale and border and border not in (scale, scale + 6):
            where = ('val', 'metrics', name, 'crop_border')
            choices = f'{scale} (published), {scale + 6} (DIV2K) or 0'
            yield where, f'{border} does not go with scale {scale}; use {choices}'


def _names(options: Options) -> Iterator[Problem]:
    """Validation and test sets have names of their own: their figures, pictures and curves are kept by these."""
    seen: dict[object, str] = {}
    for key, dataset in sets_in(options).items():
        name = dataset.get('name')
        if isinstance(name, str) and key != 'train' and (first := seen.setdefault(name, key)) != key:
            yield ('datasets', key, 'name'), f'{name} is the name of datasets.{first}, too; its figures would be lost'


def _loading(options: Options) -> Iterator[Problem]:
    """`prefetch_mode: cuda` goes with `pin_memory: true`, and `persistent_workers: true` with at least one worker."""
    for key, dataset in sets_in(options).items():
        if dataset.get('prefetch_mode') == 'cuda' and dataset.get('pin_memory') is not True:
            yield ('datasets', key, 'pin_memory'), 'must be true with prefetch_mode cuda'
        workers = _whole(dataset.get('num_worker_per_gpu')) if key == 'train' else 0
        if dataset.get('persistent_workers') is True and workers == 0:
            sentence = 'must be false without workers' if key == 'train' else 'must be false; this set has no workers'
            yield ('datasets', key, 'persistent_workers'), sentence


def _stores(options: Options) -> Iterator[Problem]:
    """A path that ends in .lmdb goes with `io_backend.type: lmdb`; PairedImageDataset knows stores by this ending."""
    for key, dataset in sets_in(options).items():
        kind, backend = dataset.get('type'), at(dataset, 'io_backend', 'type')
        for root in ('dataroot_gt', 'dataroot_lq'):
            path = dataset.get(root)
            if not isinstance(path, str) or kind not in PAIRED:
                continue
            is_store = path.rstrip('/').endswith('.lmdb')
            if is_store and backend == 'disk':
                yield ('datasets', key, root), f'{path} is a store; it needs io_backend.type lmdb'
            elif not is_store and backend == 'lmdb' and kind == 'PairedImageDataset':
                yield ('datasets', key, root), f'{path} does not end in .lmdb; a folder needs io_backend.type disk'


def _listed(options: Options) -> Iterator[Problem]:
    """PairedImageDataset reads neither `meta_info_file` nor `filename_tmpl` with `io_backend.type: lmdb`."""
    for key, dataset in sets_in(options).items():
        if dataset.get('type') == 'PairedImageDataset' and at(dataset, 'io_backend', 'type') == 'lmdb':
            for option, unset in NOT_OF_STORES.items():
                if (value := dataset.get(option)) not in (None, unset):
                    yield ('datasets', key, option), f'{value} {NOT_READ}'


def _losses(options: Options) -> Iterator[Problem]:
    """Training has a loss, whose `reduction` is mean or sum."""
    train, loss = at(options, 'train'), at(options, 'train', 'pixel_opt')
    if isinstance(train, dict) and options.get('model_type') in SR_MODELS and not (loss or train.get('perceptual_opt')):
        yield ('train', 'pixel_opt'), 'missing; there is no perceptual_opt either, so there is no loss'
    if at(loss, 'reduction') == 'none':
        sentence = 'none gives a value for each pixel; training needs one number: use mean or sum'
        yield ('train', 'pixel_opt', 'reduction'), sentence


def _measured(options: Options) -> Iterator[Problem]:
    """SingleImageDataset has no HR images, which metrics compare with."""
    for key, dataset in sets_in(options).items():
        if dataset.get('type') == 'SingleImageDataset' and key != 'train' and at(options, 'val', 'metrics'):
            yield ('datasets', key, 'type'), 'SingleImageDataset has no HR images for val.metrics; leave metrics out'


def _input_order(options: Options) -> Iterator[Problem]:
    """`input_order` of a metric is HWC with SRModel and BSRModel, which measure images of that order."""
    metrics = at(options, 'val', 'metrics')
    for name, metric in metrics.items() if isinstance(metrics, dict) else ():
        if options.get('model_type') in SR_MODELS and at(metric, 'input_order') == 'CHW':
            yield ('val', 'metrics', name, 'input_order'), 'CHW, but the model measures images of the order HWC'


def _importance(options: Options) -> Iterator[Problem]:
    """`sampling: importance` goes with BSRModel, which multiplies the loss of each sample by its weight."""
    model = options.get('model_type')
    if at(options, 'datasets', 'train', 'sampling') == 'importance' and isinstance(model, str) and model != 'BSRModel':
        sentence = f'importance gives every sample a weight, which {model} does not read; use BSRModel or another one'
        yield ('datasets', 'train', 'sampling'), sentence


def _schedule(options: Options) -> Iterator[Problem]:
    """`periods` cover `total_iter`, and `warmup_iter` is not more."""
    total, warmup = (_whole(at(options, 'train', key)) for key in ('total_iter', 'warmup_iter'))
    periods = at(options, 'train', 'scheduler', 'periods')
    if total and isinstance(periods, list):
        covered = sum(_whole(period) or total for period in periods)
        if covered < total:
            yield ('train', 'scheduler', 'periods'), f'cover {covered} of the {total} iterations of total_iter'
    if warmup and total and warmup > total:
        yield ('train', 'warmup_iter'), f'{warmup} is more than total_iter {total}'


def _suffix(options: Options) -> Iterator[Problem]:
    """A test with `save_img: true` gives `suffix`, which the toolbox asks for."""
    if 'train' not in options and at(options, 'val', 'save_img') is True and 'suffix' not in options['val']:
        yield ('val', 'suffix'), 'missing; ~ stands for the name of the run'


def _wandb(options: Options) -> Iterator[Problem]:
    """`wandb.project` goes with `use_tb_logger: true`, for it copies that log."""
    if at(options, 'logger', 'wandb', 'project') and at(options, 'logger', 'use_tb_logger') is not True:
        yield ('logger', 'use_tb_logger'), 'must be true with logger.wandb'


def _ignored_networks(options: Options) -> Iterator[Problem]:
    """`path.ignore_resume_networks` names networks of the file, each with the weights that it takes in their place."""
    names = at(options, 'path', 'ignore_resume_networks')
    for name in names if isinstance(names, list) else ():
        where, given = ('path', 'ignore_resume_networks'), [key for key in options if str(key).startswith('network_')]
        if name not in given:
            yield where, f'{name} is not a network of this file; use {", ".join(given)}'
        elif not at(options, 'path', key := f'pretrain_{name}'):
            yield where, f'{name} would begin with random weights; give path.{key}'


RULES: tuple[Callable[[Options], Iterator[Problem]], ...] = (
    *(_scale, _gt_size, _window, _upscale, _crop_border, _names, _loading, _stores, _listed),
    *(_losses, _measured, _input_order, _importance, _schedule, _wandb, _suffix, _ignored_networks),
    *engine_options.RULES,
)


def _whole(value: object) -> int | None:
    """A value as an integer, or ``None`` where it is anything else."""
    try:
        return _WHOLE.validate_python(value)
    except ValidationError:
        return None
