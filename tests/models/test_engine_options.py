import pytest

from bsr_plugin.errors import InputError
from bsr_plugin.models.engine_options import EngineOptions


def test_a_file_for_srmodel_changes_nothing():
    assert EngineOptions.from_options({'train': {'ema_decay': 0.9}, 'val': None, 'logger': {}}) == EngineOptions()
    assert EngineOptions.from_options({}) == EngineOptions()
    assert EngineOptions.from_options({'train': {'fused': True, 'optim_g': {'type': 'AdamW'}}}).fused


def test_every_option_arrives():
    opt = {
        'datasets': {'train': {'batch_size_per_gpu': 16}, 'val': {}},
        'train': {
            'amp': 'bf16',
            'channels_last': True,
            'compile': True,
            'accumulate': 4,
            'grad_clip': 0.5,
            'deterministic': True,
            'fused': True,
        },
        'val': {'tile': 128, 'tile_overlap': 12, 'multiple_of': 8, 'tb_images': 3, 'self_ensemble': True},
        'logger': {'keep_checkpoints': 3, 'keep_best': 'psnr', 'tb_intervals': True},
    }
    # What other sections of the toolbox read of them.
    opt['val'] |= {'metrics': {'psnr': {}}}
    opt['logger'] |= {'use_tb_logger': True}
    engine = EngineOptions.from_options(opt)
    assert engine.model_dump() == {
        **opt['train'],
        **{key: value for key, value in opt['val'].items() if key != 'metrics'},
        **{key: value for key, value in opt['logger'].items() if key != 'use_tb_logger'},
    }
    assert engine.overlap == 12


@pytest.mark.parametrize(('tile', 'overlap'), [(None, 32), (256, 32), (64, 16), (16, 4)])
def test_without_an_overlap_one_is_chosen_that_goes_with_the_tile(tile, overlap):
    assert EngineOptions.from_options({'val': {'tile': tile}}).overlap == overlap


def test_tensorboard_is_only_asked_for_what_it_can_show():
    for opt, key, sentence in (
        ({'val': {'tb_images': 1}, 'logger': {}}, 'use_tb_logger', 'must be true with val.tb_images'),
        ({'logger': {'tb_intervals': True}}, 'use_tb_logger', 'must be true with logger.tb_intervals'),
        (
            {'logger': {'tb_intervals': True, 'use_tb_logger': True}, 'datasets': {'train': {'type': 'MySet'}}},
            'tb_intervals',
            'MySet does not say which PIC interval a patch is from',
        ),
    ):
        with pytest.raises(InputError) as caught:
            EngineOptions.from_options(opt)
        assert str(caught.value) == f'`logger.{key}`: {sentence}'


def test_numbers_are_numbers_however_they_are_spelt():
    engine = EngineOptions.from_options({'train': {'accumulate': 4e0, 'grad_clip': '5e-1'}, 'val': {'tile': '1e2'}})
    assert (engine.accumulate, engine.grad_clip, engine.tile) == (4, 0.5, 100)
    assert [type(number) for number in (engine.accumulate, engine.tile)] == [int, int]


def test_all_of_a_section_is_reported_at_once():
    with pytest.raises(InputError) as error:
        EngineOptions.from_options({'train': {'amp': 'bf17', 'accumulate': 'x'}})
    assert str(error.value).splitlines() == [
        "`train.amp`: 'bf17' should be 'bf16' or 'fp16'; did you mean `bf16`?",
        "`train.accumulate`: 'x' is not a number",
    ]


@pytest.mark.parametrize(
    ('opt', 'sentence'),
    [
        ({'train': {'amp': 'half'}}, "`train.amp`: 'half' should be 'bf16' or 'fp16'"),
        ({'train': {'accumulate': -1}}, '`train.accumulate`: -1 should be greater than or equal to 1'),
        ({'train': {'channels_last': 'no'}}, "`train.channels_last`: 'no' should be a valid boolean"),
        (
            {'train': {'accumulate': 3}, 'datasets': {'train': {'batch_size_per_gpu': 16}}},
            '`train.accumulate`: 3 does not divide batch_size_per_gpu 16',
        ),
        (
            {'train': {'fused': True, 'optim_g': {'type': 'RMSprop'}}},
            '`train.fused`: must be false: RMSprop has no fused implementation',
        ),
        ({'train': {'grad_clip': 0}}, '`train.grad_clip`: 0 should be greater than 0'),
        (
            {'val': {'tile': 64, 'tile_overlap': 32}},
            '`val.tile_overlap`: 32 on each side leaves nothing of a tile of 64',
        ),
        ({'val': {'tile': 64, 'tile_overlap': -1}}, '`val.tile_overlap`: -1 should be'),
        ({'logger': {'keep_checkpoints': 0}}, '`logger.keep_checkpoints`: 0 should be'),
        (
            {'logger': {'keep_best': 'psnr'}},
            "`logger.keep_best`: 'psnr' is not a metric in val.metrics, which has none",
        ),
        (
            {'logger': {'keep_best': 'psnr'}, 'val': {'metrics': {'ssim': {}, 'niqe': {}}}},
            "'psnr' is not a metric in val.metrics; there are ssim, niqe",
        ),
    ],
)
def test_a_wrong_value_gets_one_sentence(opt, sentence):
    with pytest.raises(InputError, match=sentence):
        EngineOptions.from_options(opt)
