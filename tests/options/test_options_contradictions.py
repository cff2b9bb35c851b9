import pytest

from bsr_plugin.options.contradictions import contradictions

ONE_EACH = 'use one per channel, or a single number such as 0.44'

STORES = {
    'name': 'Set5',
    'type': 'PairedImageDataset',
    'dataroot_gt': 'HR_x4.lmdb',
    'dataroot_lq': 'LR_x4.lmdb',
    'io_backend': {'type': 'lmdb'},
}


@pytest.mark.parametrize(
    ('changes', 'lines'),
    [
        (
            {'datasets.train.gt_size': 190},
            ['`datasets.train.gt_size`: 190 is not a multiple of scale 4; 188 and 192 are'],
        ),
        ({'datasets.train.gt_size': 3}, ['`datasets.train.gt_size`: 3 is not a multiple of scale 4; 4 is']),
        ({'datasets.train.gt_size': '2e2'}, []),
        ({'network_g.upscale': 2}, ['`network_g.upscale`: 2 differs from scale 4']),
        (
            {'scale': 2, 'val.metrics.psnr_y.crop_border': 2, 'network_g': {'type': 'BSRNet'}},
            ['`network_g.upscale`: missing; its default 4 differs from scale 2'],
        ),
        (
            {'network_g': {'type': 'EDSR', 'num_in_ch': 3, 'num_out_ch': 3, 'upscale': 3}},
            ['`network_g.upscale`: 3 differs from scale 4'],
        ),
        (
            {'network_g': {'type': 'RRDBNet', 'num_in_ch': 3, 'num_out_ch': 3, 'scale': 2}},
            ['`network_g.scale`: 2 differs from scale 4'],
        ),
        ({'network_g': {'type': 'RRDBNet', 'num_in_ch': 3, 'num_out_ch': 3}}, []),
        (
            {'network_g': {'type': 'SwinIR', 'upscale': 4, 'window_size': 8}, 'datasets.train.gt_size': 208},
            ['`datasets.train.gt_size`: 208 is not a multiple of scale 4 x window_size 8'],
        ),
        ({'network_g': {'type': 'SwinIR', 'upscale': 4, 'window_size': 8}}, []),
        (
            {'network_g': {'type': 'SwinIR', 'upscale': 4}},
            ['`datasets.train.gt_size`: 192 is not a multiple of scale 4 x window_size 7'],
        ),
        (
            {'path.ignore_resume_networks': ['network_G']},
            ['`path.ignore_resume_networks`: network_G is not a network of this file; use network_g'],
        ),
        (
            {'path.ignore_resume_networks': ['network_g']},
            ['`path.ignore_resume_networks`: network_g would begin with random weights; give path.pretrain_network_g'],
        ),
        (
            {
                'datasets.val': {
                    'name': 'LR',
                    'type': 'SingleImageDataset',
                    'dataroot_lq': 'LR',
                    'io_backend': {'type': 'disk'},
                }
            },
            ['`datasets.val.type`: SingleImageDataset has no HR images for val.metrics; leave metrics out'],
        ),
        (
            {'val.metrics.psnr_y.input_order': 'CHW'},
            ['`val.metrics.psnr_y.input_order`: CHW, but the model measures images of the order HWC'],
        ),
        ({'path.ignore_resume_networks': ['network_g'], 'path.pretrain_network_g': 'x2'}, []),
        ({'datasets.val.scale': 3}, ['`datasets.val.scale`: 3 differs from scale 4']),
        ({'datasets.val.scale': 4}, []),
        (
            {'network_g.rgb_mean': [0.5, 0.5]},
            ['`network_g`: rgb_mean has 2 entries for 3 input and 3 output channels: ' + ONE_EACH],
        ),
        (
            {'network_g.num_in_ch': 1, 'network_g.num_out_ch': 1},
            ['`network_g`: rgb_mean has 3 entries for 1 input and 1 output channels: ' + ONE_EACH],
        ),
        (
            {'network_g.num_in_ch': 1, 'network_g.rgb_mean': [0.5]},
            ['`network_g`: rgb_mean has 1 entries for 1 input and 3 output channels: ' + ONE_EACH],
        ),
        ({'network_g.num_in_ch': 1, 'network_g.rgb_mean': 0.5}, []),
        (
            {'val.metrics.psnr_y.crop_border': 3},
            ['`val.metrics.psnr_y.crop_border`: 3 does not go with scale 4; use 4 (published), 10 (DIV2K) or 0'],
        ),
        ({'val.metrics.psnr_y.crop_border': 10}, []),
        ({'val.metrics.psnr_y.crop_border': 0}, []),
        ({'datasets.train.pic_edges': [0, 5, 20, 2040]}, []),
        ({'datasets.train.pic_edges': [0, 5, 20], 'datasets.train.pic_bins': 2}, []),
        (
            {'datasets.train.pic_edges': [1, 5]},
            ['`datasets.train`: pic_edges is [1.0, 5.0]: the edges must start at 0 and increase.'],
        ),
        (
            {'datasets.train.pic_edges': [0, 5, 5, 4]},
            [
                '`datasets.train`: pic_edges is [0.0, 5.0, 5.0, 4.0]: the edges must start at 0 and increase.',
            ],
        ),
        ({'datasets.train.pic_balance': 0.5, 'datasets.train.image_choice': 'spread'}, []),
        ({'datasets.train.pic_balance': {'from': 0, 'to': 1, 'between': [0, 2e4]}}, []),
        ({'datasets.train.sampling': 'band', 'datasets.train.pic_band': {'share': 0.3}}, []),
        ({'datasets.train.num_candidates': 'all', 'datasets.train.pic_spacing': 'quantile'}, []),
        ({'datasets.train.pic_score': 'residual'}, []),
        (
            {'datasets.train.pic_balance': 1.5},
            ['`datasets.train`: pic_balance is 1.5: use a number from 0 (uniform) to 1 (rfs).'],
        ),
        (
            {'datasets.train.sampling': 'uniform', 'datasets.train.pic_balance': 0.5},
            [
                "`datasets.train`: pic_balance is given, which sampling 'uniform' does not read: leave it out, or use "
                'sampling rfs or rejection'
            ],
        ),
        (
            {'datasets.train.sampling': 'rejection', 'datasets.train.pic_score': 'residual'},
            ["`datasets.train`: pic_score is 'residual', and sampling 'rejection' measures gradients alone: use rfs"],
        ),
        (
            {'datasets.train.pic_edges': [0, 5, 20], 'datasets.train.pic_bins': 16},
            ['`datasets.train`: pic_bins is 16, and pic_edges has 2 intervals: leave one of the two out'],
        ),
        (
            {'datasets.train.prefetch_mode': 'cuda'},
            ['`datasets.train.pin_memory`: must be true with prefetch_mode cuda'],
        ),
        ({'datasets.train.prefetch_mode': 'cuda', 'datasets.train.pin_memory': True}, []),
        (
            {'datasets.train.persistent_workers': True, 'datasets.train.num_worker_per_gpu': 0},
            ['`datasets.train.persistent_workers`: must be false without workers'],
        ),
        ({'datasets.train.persistent_workers': True}, []),
        (
            {'datasets.val.persistent_workers': True},
            ['`datasets.val.persistent_workers`: must be false; this set has no workers'],
        ),
        (
            {'datasets.train.io_backend': {'type': 'disk'}},
            [
                '`datasets.train.dataroot_gt`: HR_x4.lmdb is a store; it needs io_backend.type lmdb',
                '`datasets.train.dataroot_lq`: LR_x4.lmdb is a store; it needs io_backend.type lmdb',
            ],
        ),
        (
            {'datasets.val.io_backend': {'type': 'lmdb'}},
            [
                '`datasets.val.dataroot_gt`: HR_x4 does not end in .lmdb; a folder needs io_backend.type disk',
                '`datasets.val.dataroot_lq`: LR_x4 does not end in .lmdb; a folder needs io_backend.type disk',
            ],
        ),
        (
            {'datasets.val': STORES | {'meta_info_file': 'list.txt', 'filename_tmpl': '{}x4'}},
            [
                '`datasets.val.meta_info_file`: list.txt is not read from LMDB stores; leave it out, or use '
                'RFSPairedImageDataset',
                '`datasets.val.filename_tmpl`: {}x4 is not read from LMDB stores; leave it out, or use '
                'RFSPairedImageDataset',
            ],
        ),
        ({'datasets.val': STORES | {'meta_info_file': None, 'filename_tmpl': '{}'}}, []),
        ({'datasets.val': STORES | {'type': 'RFSPairedImageDataset', 'filename_tmpl': '{}x4'}}, []),
        ({'datasets.val.meta_info_file': 'list.txt', 'datasets.val.filename_tmpl': '{}x4'}, []),
        ({'datasets.train.uint8': True, 'model_type': 'SRModel'}, []),
        ({'datasets.train.sampling': 'importance'}, []),
        (
            {'datasets.train.sampling': 'importance', 'model_type': 'SRModel'},
            [
                '`datasets.train.sampling`: importance gives every sample a weight, which SRModel does not read; use '
                'BSRModel or another one'
            ],
        ),
        (
            {'train.pixel_opt': None},
            ['`train.pixel_opt`: missing; there is no perceptual_opt either, so there is no loss'],
        ),
        ({'train.pixel_opt': None, 'train.perceptual_opt': {'type': 'PerceptualLoss', 'layer_weights': {}}}, []),
        (
            {'train.pixel_opt.reduction': 'none'},
            [
                '`train.pixel_opt.reduction`: none gives a value for each pixel; training needs one number: use mean '
                'or sum'
            ],
        ),
        (
            {'train.pixel_opt': {'type': 'HybridL1L2LpLoss', 'l2_weight': 0, 'l1_weight': 0, 'lp_weight': 0}},
            [
                '`train.pixel_opt`: l2_weight, l1_weight and lp_weight are all 0: give at least one term a '
                'weight above 0'
            ],
        ),
        ({'train.pixel_opt': {'type': 'HybridL1L2LpLoss', 'l2_weight': 0, 'l1_weight': 0}}, []),
        (
            {'train.scheduler': {'type': 'CosineAnnealingRestartLR', 'periods': [100, 200], 'restart_weights': [1]}},
            [
                '`train.scheduler`: CosineAnnealingRestartLR does not take these values: periods and restart_weights '
                'should have the same length.',
                '`train.scheduler.periods`: cover 300 of the 500 iterations of total_iter',
            ],
        ),
        ({'train.scheduler': {'type': 'CosineAnnealingRestartLR', 'periods': ['5e2']}}, []),
        (
            {'train.scheduler.restarts': [0, 100]},
            [
                '`train.scheduler`: MultiStepRestartLR does not take these values: restarts and their '
                'weights do not match.'
            ],
        ),
        ({'train.warmup_iter': 501}, ['`train.warmup_iter`: 501 is more than total_iter 500']),
        ({'val.tile': 64, 'val.tile_overlap': 31}, []),
        (
            {'val.tile': 64, 'val.tile_overlap': 32},
            ['`val.tile_overlap`: 32 on each side leaves nothing of a tile of 64'],
        ),
        ({'train.accumulate': 4}, []),
        ({'train.fused': True}, []),
        ({'train.accumulate': 5}, ['`train.accumulate`: 5 does not divide batch_size_per_gpu 16']),
        ({'logger.keep_best': 'psnr_y'}, []),
        (
            {'logger.keep_best': 'psnr'},
            ["`logger.keep_best`: 'psnr' is not a metric in val.metrics; there are psnr_y"],
        ),
        (
            {'logger.keep_best': 'psnr', 'val': None},
            ["`logger.keep_best`: 'psnr' is not a metric in val.metrics, which has none"],
        ),
        (
            {'logger.wandb': {'project': 'x'}, 'logger.use_tb_logger': False},
            ['`logger.use_tb_logger`: must be true with logger.wandb'],
        ),
        ({'logger.wandb': {'project': None}, 'logger.use_tb_logger': False}, []),
    ],
)
def test_each_rule_has_its_sentence(training, change, problems, changes, lines):
    for path, value in changes.items():
        change(training, path, value)
    assert problems(training) == lines


def test_the_scale_is_needed_by_pairs(training, change, problems):
    change(training, 'scale')
    assert problems(training) == ['`scale`: missing; RFSPairedImageDataset needs it']


def test_sets_of_one_name_would_lose_figures(training, testing, change, problems):
    for options, first, second in ((training, 'val', 'val_2'), (testing, 'test_1', 'test_2')):
        given = options['datasets'][first]
        change(options, f'datasets.{second}', {**given, 'name': 'another'})
        assert problems(options, is_train=options is training) == []
        change(options, f'datasets.{second}', dict(given))
        assert problems(options, is_train=options is training) == [
            f'`datasets.{second}.name`: {given["name"]} is the name of datasets.{first}, too; its figures would be lost'
        ]
    change(training, 'datasets.val_2')
    change(training, 'datasets.train.name', training['datasets']['val']['name'])
    assert problems(training) == []


def test_the_best_needs_a_set(training, change, problems):
    change(training, 'datasets.val')
    change(training, 'logger.keep_best', 'psnr_y')
    assert problems(training) == ['`logger.keep_best`: needs a validation set, datasets.val']


def test_a_test_that_saves_images_gives_the_suffix(testing, change, problems):
    change(testing, 'val.suffix')
    assert problems(testing, is_train=False) == ['`val.suffix`: missing; ~ stands for the name of the run']
    change(testing, 'val.save_img', False)
    assert problems(testing, is_train=False) == []


def test_other_models_crop_as_they_like(training, change, problems):
    change(training, 'model_type', 'SwinIRModel')
    change(training, 'val.metrics.psnr_y.crop_border', 3)
    assert problems(training) == []


@pytest.mark.parametrize('value', [None, 7, 'x', [], ['x'], {}, {'x': 1}, True, -1, float('nan')])
def test_rules_survive_whatever_a_file_holds(training, value):
    def replace_each(options, path=()):
        for key in list(options):
            kept = options[key]
            options[key] = value
            found = contradictions(training)
            assert all(line.startswith('`') for line in found), (path, key)
            options[key] = kept
            if isinstance(kept, dict):
                replace_each(kept, (*path, key))

    replace_each(training)
