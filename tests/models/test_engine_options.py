import pytest

from bsr_plugin.errors import InputError
from bsr_plugin.models.engine_options import EngineOptions


def test_a_file_for_srmodel_changes_nothing():
    assert EngineOptions.from_options({'train': {'ema_decay': 0.9}, 'val': None, 'logger': {}}) == EngineOptions()
    assert EngineOptions.from_options({}) == EngineOptions()


def test_every_option_arrives():
    opt = {
        'datasets': {'train': {'batch_size_per_gpu': 16}},
        'train': {
            'amp': 'bf16',
            'channels_last': True,
            'compile': True,
            'accumulate': 4,
            'grad_clip': 0.5,
            'fused': True,
        },
        'val': {'tile': 128, 'tile_overlap': 12, 'self_ensemble': True, 'metrics': {'psnr': {}}},
        'logger': {'keep_checkpoints': 3, 'keep_best': 'psnr'},
    }
    assert EngineOptions.from_options(opt) == EngineOptions(
        'bf16', True, True, 4, 0.5, True, 128, 12, True, 3, 'psnr'
    )  # fmt: skip


@pytest.mark.parametrize(('tile', 'overlap'), [(None, 32), (256, 32), (64, 16), (16, 4)])
def test_without_an_overlap_one_is_chosen_that_goes_with_the_tile(tile, overlap):
    assert EngineOptions.from_options({'val': {'tile': tile}}).tile_overlap == overlap


@pytest.mark.parametrize(
    ('opt', 'sentence'),
    [
        ({'train': {'amp': 'half'}}, "train.amp is 'half': use bf16, fp16 or ~"),
        ({'train': {'accumulate': -1}}, 'train.accumulate is -1'),
        (
            {'train': {'accumulate': 3}, 'datasets': {'train': {'batch_size_per_gpu': 16}}},
            'train.accumulate is 3, which does not divide a batch of 16 patches',
        ),
        ({'train': {'grad_clip': 0}}, 'train.grad_clip is 0: use a number above 0'),
        ({'val': {'tile': 64, 'tile_overlap': 32}}, 'val.tile_overlap 32 is not less than half of val.tile, 64'),
        ({'val': {'tile': 64, 'tile_overlap': -1}}, 'val.tile_overlap -1'),
        ({'logger': {'keep_checkpoints': 0}}, 'logger.keep_checkpoints is 0'),
        ({'logger': {'keep_best': 'psnr'}}, r"logger.keep_best is 'psnr', which is none of val.metrics \(none\)"),
        (
            {'logger': {'keep_best': 'psnr'}, 'val': {'metrics': {'ssim': {}, 'niqe': {}}}},
            r'none of val.metrics \(ssim, niqe\)',
        ),
    ],
)
def test_a_wrong_value_gets_one_sentence(opt, sentence):
    with pytest.raises(InputError, match=sentence):
        EngineOptions.from_options(opt)
