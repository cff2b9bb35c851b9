"""The schema beside the classes it describes."""

import inspect
from copy import deepcopy
from inspect import Parameter

import pytest
import torch
from basicsr.metrics import calculate_psnr, calculate_ssim
from basicsr.models.lr_scheduler import CosineAnnealingRestartLR, MultiStepRestartLR

from bsr_plugin.archs.bsr_arch import BSRNet
from bsr_plugin.data import dataset_options
from bsr_plugin.losses.hybrid_loss import HybridL1L2LpLoss
from bsr_plugin.models import engine_options
from bsr_plugin.options import datasets, run
from bsr_plugin.options.classes import section_of
from bsr_plugin.pic.intervals import IntervalRule


def arguments(target):
    return {p.name: p.default for p in inspect.signature(target).parameters.values()}


@pytest.mark.parametrize(
    ('kind', 'name', 'target'),
    [
        ('network', 'BSRNet', BSRNet),
        ('loss', 'HybridL1L2LpLoss', HybridL1L2LpLoss),
        ('optimizer', 'Adam', torch.optim.Adam),
        ('scheduler', 'MultiStepLR', MultiStepRestartLR),
        ('scheduler', 'MultiStepRestartLR', MultiStepRestartLR),
        ('scheduler', 'CosineAnnealingRestartLR', CosineAnnealingRestartLR),
        ('metric', 'calculate_psnr', calculate_psnr),
        ('metric', 'calculate_ssim', calculate_ssim),
    ],
)
def test_the_keys_of_a_class_are_its_arguments_with_their_defaults(kind, name, target):
    section, taken = section_of(kind, name), arguments(target)
    further = {'metric': {'better'}}.get(kind, set())
    assert set(section.model_fields) - set(taken) == {'type'} | further
    for key in set(section.model_fields) & set(taken) - {'lr'}:
        field = section.model_fields[key]
        assert (... if field.is_required() else field.default) == (... if taken[key] is Parameter.empty else taken[key])
    if kind in ('network', 'loss'):
        assert set(section.model_fields) == {'type', *taken}


def test_a_json_schema_can_be_written():
    schema = section_of('network', 'BSRNet').model_json_schema()
    assert schema['properties']['attention']['enum'] == ['spatial', 'scalar', 'none']
    assert schema['properties']['num_block'] == {
        'default': 12,
        'description': 'Number of RBs in each FMG.',
        'title': 'Num Block',
        'type': 'integer',
    }
    of_training = run.TrainingRun.model_json_schema()
    assert of_training['$defs']['Train']['properties']['accumulate']['minimum'] == 1
    assert {'name', 'datasets', 'train', 'path', 'logger'} <= set(of_training['required'])


def test_the_intervals_are_those_of_the_data_set():
    rule, declared = IntervalRule(), datasets.RFSTrainingPairs.model_fields
    assert [declared[f'pic_{key}'].default for key in ('bins', 'quantile', 'edges')] == [
        rule.bins,
        rule.quantile,
        rule.edges,
    ]


def test_every_key_is_explained():
    modules = (dataset_options, engine_options, datasets, run)
    schemas = [item for module in modules for item in vars(module).values() if hasattr(item, 'model_fields')]
    schemas += [
        section_of(*each) for each in (('network', 'BSRNet'), ('loss', 'HybridL1L2LpLoss'), ('optimizer', 'Adam'))
    ]
    assert len(schemas) > 20
    for schema in schemas:
        for key, field in schema.model_fields.items():
            assert field.description, f'{schema.__name__}.{key}'
            assert field.description.rstrip().endswith(('.', '}`')), f'{schema.__name__}.{key}'


STOCK_NETWORKS = [
    {'type': 'EDSR', 'num_in_ch': 3, 'num_out_ch': 3, 'num_feat': 64, 'num_block': 16, 'upscale': 4, 'res_scale': 1},
    {'type': 'RCAN', 'num_in_ch': 3, 'num_out_ch': 3, 'num_group': 10, 'squeeze_factor': 16, 'img_range': 255.0},
    {'type': 'MSRResNet', 'num_in_ch': 3, 'num_out_ch': 3, 'upscale': 4},
    {'type': 'RRDBNet', 'num_in_ch': 3, 'num_out_ch': 3, 'num_grow_ch': 32},
    {'type': 'SwinIR', 'upscale': 4, 'in_chans': 3, 'window_size': 8, 'depths': [6, 6], 'resi_connection': '1conv'},
]
STOCK_LOSSES = [
    {'type': 'L1Loss', 'loss_weight': 1.0, 'reduction': 'mean'},
    {'type': 'MSELoss'},
    {'type': 'CharbonnierLoss', 'eps': 1e-12},
]
STOCK_SET = {
    'name': 'DIV2K',
    'type': 'PairedImageDataset',
    'dataroot_gt': 'HR',
    'dataroot_lq': 'LR',
    'meta_info_file': 'list.txt',
    'filename_tmpl': '{}x4',
    'io_backend': {'type': 'disk'},
    'gt_size': 192,
    'use_hflip': True,
    'use_rot': True,
    'num_worker_per_gpu': 6,
    'batch_size_per_gpu': 16,
    'dataset_enlarge_ratio': 100,
    'prefetch_mode': None,
}


@pytest.mark.parametrize('model', ['SRModel', 'BSRModel', 'SwinIRModel'])
@pytest.mark.parametrize('stock', STOCK_NETWORKS, ids=lambda network: network['type'])
@pytest.mark.parametrize('loss', STOCK_LOSSES, ids=lambda loss: loss['type'])
def test_the_toolboxs_own_classes_pass(training, problems, model, stock, loss):
    training['model_type'] = model
    training['network_g'] = stock
    training['train']['pixel_opt'] = loss
    training['datasets']['train'] = deepcopy(STOCK_SET)
    training['val']['metrics']['niqe'] = {'type': 'calculate_niqe', 'crop_border': 4, 'better': 'lower'}
    assert problems(training) == []


def test_adversarial_models_pass(training, problems):
    training['model_type'] = 'ESRGANModel'
    training['network_g'] = STOCK_NETWORKS[3]
    training['network_d'] = {'type': 'VGGStyleDiscriminator', 'num_in_ch': 3, 'num_feat': 64}
    training['train'] |= {
        'optim_d': {'type': 'Adam', 'lr': '1e-4'},
        'gan_opt': {'type': 'GANLoss', 'gan_type': 'vanilla', 'loss_weight': 5e-3},
        'perceptual_opt': {'type': 'PerceptualLoss', 'layer_weights': {'conv5_4': 1}},
        'net_d_iters': 1,
    }
    training['path']['pretrain_network_d'] = None
    assert problems(training) == []


def test_a_foreign_models_key_may_be_part_of_a_known_one(training, problems):
    training['model_type'] = 'SwinIRModel'
    training['path']['network'] = training['train']['decay'] = None
    assert problems(training) == []
    training['model_type'] = 'SRModel'
    assert problems(training) == [
        '`path.network`: did you mean `pretrain_network_g`?',
        '`train.decay`: did you mean `ema_decay`?',
    ]


def test_other_data_sets_and_models_look_up_keys_of_their_own(training, problems):
    training['model_type'] = 'RealESRNetModel'
    training['gt_usm'] = True
    training['datasets']['train'] = {
        'name': 'DF2K',
        'type': 'RealESRGANDataset',
        'dataroot_gt': 'HR',
        'io_backend': {'type': 'disk'},
        'blur_kernel_size': 21,
        'gt_size': 256,
        'num_worker_per_gpu': 1,
        'batch_size_per_gpu': 2,
    }
    assert problems(training) == []
    training['datasets']['train']['dataroot_gtt'] = training['datasets']['train'].pop('dataroot_gt')
    assert problems(training) == ['`datasets.train.dataroot_gtt`: did you mean `dataroot_gt`?']


@pytest.mark.parametrize(
    ('path', 'value', 'line'),
    [
        (
            'network_g',
            {'type': 'EDSR', 'num_in_ch': 3},
            '`network_g.num_out_ch`: missing',
        ),
        (
            'network_g',
            {'type': 'EDSR', 'num_in_ch': 3, 'num_out_ch': 3, 'num_blocks': 16},
            '`network_g.num_blocks`: did you mean `num_block`?',
        ),
        # The toolbox's SwinIR would swallow it in its **kwargs.
        (
            'network_g',
            {'type': 'SwinIR', 'upscale': 4, 'window_size': 8, 'windowsize': 8},
            '`network_g.windowsize`: did you mean `window_size`?',
        ),
        ('train.pixel_opt', {'type': 'L1Loss', 'weight': 1}, '`train.pixel_opt.weight`: did you mean `loss_weight`?'),
        ('train.perceptual_opt', {'type': 'PerceptualLoss'}, '`train.perceptual_opt.layer_weights`: missing'),
        (
            'val.metrics.niqe',
            {'type': 'calculate_niqe', 'crop_border': 4, 'convert': 'y'},
            '`val.metrics.niqe.convert`: did you mean `convert_to`?',
        ),
        (
            'datasets.train.io_backend.readahead',
            True,
            '`datasets.train.io_backend.readahead`: unknown key; known here: type',
        ),
        ('network_d', {'type': 'VGGStyleDiscriminator'}, '`network_d`: did you mean `network_g`?'),
    ],
)
def test_misspelt_arguments_of_other_classes_are_found(training, change, problems, path, value, line):
    change(training, path, value)
    assert problems(training) == [line]


def test_a_class_of_another_package_may_take_anything(training, problems):
    from basicsr.utils.registry import ARCH_REGISTRY

    class Foreign:
        def __init__(self, upscale, **settings):
            pass

    ARCH_REGISTRY.register(Foreign)
    try:
        training['network_g'] = {'type': 'Foreign', 'upscale': 4, 'anything': 1}
        assert problems(training) == []
    finally:
        del ARCH_REGISTRY._obj_map['Foreign']
