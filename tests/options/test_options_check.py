from copy import deepcopy

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from bsr_plugin.errors import InputError
from bsr_plugin.options import check_options, load_options
from bsr_plugin.options.classes import section_of
from bsr_plugin.options.datasets import RFSTrainingPairs
from bsr_plugin.options.run import Train
from bsr_plugin.schema.wording import nearest


def test_right_options_have_no_problems(training, testing, problems):
    assert problems(training) == []
    assert problems(testing, is_train=False) == []


@pytest.mark.parametrize(
    ('path', 'value', 'line'),
    [
        # unknown keys
        ('datasets.train.gt_sizee', 192, '`datasets.train.gt_sizee`: did you mean `gt_size`?'),
        ('nmae', 'x', '`nmae`: did you mean `name`?'),
        ('train.emadecay', 0.9, '`train.emadecay`: did you mean `ema_decay`?'),
        ('train.optim_g.momentum', 0.9, None),
        ('network_g.num_blocks', 12, '`network_g.num_blocks`: did you mean `num_block`?'),
        ('train.pixel_opt.Lp_weight', 1, '`train.pixel_opt.Lp_weight`: did you mean `lp_weight`?'),
        ('val.metrics.psnr_y.crop_boarder', 4, '`val.metrics.psnr_y.crop_boarder`: did you mean `crop_border`?'),
        ('datasets.train.io_backend.typ', 1, '`datasets.train.io_backend.typ`: did you mean `type`?'),
        ('datasets.val.gt_size', 192, None),
        ('datasets.vall', {}, '`datasets.vall`: did you mean `val`?'),
        ('datasets.train_2', {}, '`datasets.train_2`: did you mean `train`?'),
        ('datasets.test_1', {}, '`datasets.test_1`: unknown key; known here: train, val'),
        ('logger.wandb', {'projct': 'x'}, '`logger.wandb.projct`: did you mean `project`?'),
        # wrong kinds of values
        ('train.optim_g.lr', 'fast', "`train.optim_g.lr`: 'fast' is not a number"),
        ('train.optim_g.lr', True, '`train.optim_g.lr`: true is not a number'),
        ('train.optim_g.lr', float('nan'), '`train.optim_g.lr`: nan should be a finite number'),
        (
            'train.total_iter',
            1.5,
            '`train.total_iter`: 1.5 should be a valid integer, got a number with a fractional part',
        ),
        ('train.total_iter', None, '`train.total_iter`: ~ is not a number'),
        ('train.total_iter', False, '`train.total_iter`: false is not a number'),
        ('train.scheduler.milestones', 100, '`train.scheduler.milestones`: 100 should be a valid list'),
        ('train.scheduler.milestones', [1, 'x'], "`train.scheduler.milestones[1]`: 'x' is not a number"),
        ('network_g.skip_connections', 'yes', "`network_g.skip_connections`: 'yes' should be a valid boolean"),
        ('network_g.skip_connections', 1, '`network_g.skip_connections`: 1 should be a valid boolean'),
        (
            'network_g.rgb_mean',
            [0.4, 'x', 0.4],
            "`network_g`: rgb_mean is [0.4, 'x', 0.4]: use one number per channel, between 0 and 1",
        ),
        ('name', 5, '`name`: 5 should be a valid string'),
        ('train', 3, '`train`: 3 is not a mapping of keys to values'),
        ('train', None, '`train`: ~ is not a mapping of keys to values'),
        ('datasets', ['train'], "`datasets`: ['train'] is not a mapping of keys to values"),
        ('val.metrics', 'psnr', "`val.metrics`: 'psnr' is not a mapping of keys to values"),
        ('val.metrics.psnr_y', 4, '`val.metrics.psnr_y`: 4 is not a mapping of keys to values'),
        ('network_g', None, '`network_g`: ~ is not a mapping of keys to values'),
        ('num_gpu', 'all', "`num_gpu`: 'all' is neither auto nor a number of GPUs"),
        ('num_gpu', -1, '`num_gpu`: -1 is neither auto nor a number of GPUs'),
        # wrong values
        (
            'datasets.train.sampling',
            'rsf',
            "`datasets.train.sampling`: 'rsf' should be 'rfs', 'uniform', 'importance', 'band' or 'rejection'; "
            'did you mean `rfs`?',
        ),
        (
            'datasets.train.sampling',
            'balanced',
            "`datasets.train.sampling`: 'balanced' should be 'rfs', 'uniform', 'importance', 'band' or 'rejection'; "
            'did you mean `band`?',
        ),
        ('train.amp', 'bfp16', "`train.amp`: 'bfp16' should be 'bf16' or 'fp16'; did you mean `fp16`?"),
        ('datasets.train.gt_size', 0, '`datasets.train.gt_size`: 0 should be greater than or equal to 1'),
        ('train.optim_g.lr', 0, '`train.optim_g.lr`: 0 should be greater than 0'),
        ('train.ema_decay', 1, '`train.ema_decay`: 1 should be less than 1'),
        ('manual_seed', 2**31, '`manual_seed`: 2147483648 should be less than 2147483648'),
        (
            'train.pixel_opt',
            {'type': 'L1Loss', 'loss_weight': 'much'},
            "`train.pixel_opt.loss_weight`: 'much' is not a number",
        ),
        (
            'train.pixel_opt',
            {'type': 'CharbonnierLoss', 'reduction': 'average'},
            '`train.pixel_opt`: CharbonnierLoss does not take these values: Unsupported reduction mode: average. '
            "Supported ones are: ['none', 'mean', 'sum']",
        ),
        (
            'datasets.val.mean',
            [0.5, 0.5, 0.5],
            '`datasets.val`: mean is [0.5, 0.5, 0.5] and std None: give 3 of each, one per channel, or none',
        ),
        (
            'network_g',
            {'type': 'EDSR', 'num_in_ch': 3, 'num_out_ch': 3, 'upscale': 4, 'rgb_mean': [0.4]},
            "`network_g`: EDSR does not take these values: shape '[1, 3, 1, 1]' is invalid for input of size 1",
        ),
        ('train.pixel_opt.p', 2, '`train.pixel_opt`: p is 2.0: use a number above 0 and at most 1'),
        ('datasets.train.pic_bins', 257, '`datasets.train`: pic_bins is 257: use 1 to 256 intervals.'),
        ('train.optim_g.betas', [0.9], '`train.optim_g.betas`: [0.9] should have at least 2 items, not 1'),
        ('train.optim_g.betas', [0.9] * 3, '`train.optim_g.betas`: [0.9, 0.9, 0.9] should have at most 2 items, not 3'),
        ('val.metrics', {}, '`val.metrics`: {} should have at least 1 item, not 0'),
        # unknown types
        (
            'model_type',
            'BSRModell',
            "`model_type`: 'BSRModell' is not a registered model; did you mean `BSRModel`?",
        ),
        ('model_type', 7, '`model_type`: 7 should be a valid string'),
        (
            'network_g.type',
            'BSRNett',
            "`network_g.type`: 'BSRNett' is not a registered network; did you mean `BSRNet`?",
        ),
        (
            'train.pixel_opt.type',
            'HybridLoss',
            "`train.pixel_opt.type`: 'HybridLoss' is not a registered loss; did you mean `HybridL1L2LpLoss`?",
        ),
        (
            'datasets.train.type',
            'RFSPairedDataset',
            "`datasets.train.type`: 'RFSPairedDataset' is not a registered data set; did you mean "
            '`RFSPairedImageDataset`?',
        ),
        (
            'datasets.train.type',
            'RFSDataset',
            "`datasets.train.type`: 'RFSDataset' is not a registered data set; did you mean `RFSPairedImageDataset`?",
        ),
        (
            'val.metrics.psnr_y.type',
            'psnr',
            "`val.metrics.psnr_y.type`: 'psnr' is not a registered metric; did you mean `calculate_psnr`?",
        ),
        ('train.optim_g.type', 'SGD', "`train.optim_g.type`: the installed BasicSR does not build 'SGD', only Adam"),
        (
            'train.scheduler.type',
            'MultiStep',
            "`train.scheduler.type`: 'MultiStep' is not a registered scheduler; did you mean `MultiStepLR`?",
        ),
    ],
)
def test_a_wrong_value_gives_its_sentence(training, change, problems, path, value, line):
    change(training, path, value)
    if line is None:
        (found,) = problems(training)
        assert found.startswith(f'`{path}`: unknown key; known here: ')
    else:
        assert problems(training) == [line]


@pytest.mark.parametrize(
    'path',
    [
        'name',
        'model_type',
        'num_gpu',
        'network_g',
        'network_g.type',
        'path',
        'train',
        'train.total_iter',
        'train.optim_g.lr',
        'train.scheduler.type',
        'logger',
        'logger.print_freq',
        'datasets.train.name',
        'datasets.train.dataroot_lq',
        'datasets.train.batch_size_per_gpu',
        'datasets.train.gt_size',
        'val.val_freq',
        'val.metrics.psnr_y.crop_border',
    ],
)
def test_a_missing_key_is_missing(training, change, problems, path):
    change(training, path)
    assert problems(training) == [f'`{path}`: missing']


def test_a_training_set_is_needed(training, change, problems):
    change(training, 'datasets.train')
    assert problems(training) == ['`datasets.train`: missing']


def test_numbers_are_chosen_from_as_well(training, problems):
    training['scale'] = training['network_g']['upscale'] = 5
    training['datasets']['train']['gt_size'] = 240
    training['val']['metrics']['psnr_y']['crop_border'] = 5
    assert problems(training) == ['`network_g`: upscale is 5: use 2, 3, 4 or 8']


def test_integers_pass_for_a_mean_colour_without_a_warning(training, problems, recwarn):
    training['network_g']['rgb_mean'] = [0, 0.5, 1]
    assert problems(training) == []
    assert not recwarn.list


def test_a_test_set_is_needed(testing, problems):
    testing['datasets'] = {}
    assert problems(testing, is_train=False) == ['`datasets`: has no set; give one, such as test_1']


def test_a_test_file_has_no_training_section(testing, training, problems):
    testing['train'] = training['train']
    (line,) = problems(testing, is_train=False)
    assert line.startswith('`train`: unknown key; known here: bsr_plugin, datasets,')


def test_whole_numbers_and_numbers_arrive_as_such(tmp_path, training):
    training['train'] |= {'total_iter': '5e2', 'ema_decay': 0}
    training['train']['optim_g'] |= {'lr': '1e-4', 'betas': ['0.9', 0.99]}
    training['val']['val_freq'] = 5e3
    path = tmp_path / 'x.yml'
    path.write_text(yaml.safe_dump(training, sort_keys=False))
    read = load_options(path, is_train=True, check_paths=False)
    assert read['train']['optim_g'] == {'type': 'Adam', 'lr': 1e-4, 'betas': [0.9, 0.99]}
    assert [type(value) for value in (read['train']['total_iter'], read['val']['val_freq'])] == [int, int]
    assert [read['train']['total_iter'], read['val']['val_freq']] == [500, 5000]


def test_the_result_holds_what_the_file_gives_and_nothing_else(tmp_path, training):
    path = tmp_path / 'x.yml'
    path.write_text(yaml.safe_dump(training, sort_keys=False))
    read = load_options(path, is_train=True, check_paths=False)
    assert read == training
    assert list(read['datasets']) == ['train', 'val']
    read['train']['optim_g'].pop('type')
    assert load_options(path, is_train=True, check_paths=False) == training


def test_aliases_become_separate_copies(tmp_path, training):
    training['val']['metrics']['again'] = training['val']['metrics']['psnr_y']
    path = tmp_path / 'x.yml'
    path.write_text(yaml.safe_dump(training, sort_keys=False))
    assert '*id' in path.read_text()
    metrics = load_options(path, is_train=True, check_paths=False)['val']['metrics']
    assert metrics['psnr_y'] == metrics['again']
    assert metrics['psnr_y'] is not metrics['again']


def test_checking_leaves_the_options_alone(training):
    training['train']['optim_g']['lr'] = '1e-4'
    before = deepcopy(training)
    check_options(training, is_train=True)
    assert training == before


SEVEN = """
name: seven
model_type: BSRModel
scale: 4
num_gpu: 0
datasets:
  train:
    name: x
    type: RFSPairedImageDataset
    dataroot_gt: {folder}
    dataroot_lq: nowhere
    io_backend: {{type: disk}}
    gt_sizee: 192
    gt_size: 190
    sampling: rfss
    num_worker_per_gpu: 1
    batch_size_per_gpu: 16
network_g: {{type: BSRNet, upscale: 2}}
path: {{}}
train:
  total_iter: 100
  optim_g: {{type: Adam, lr: quick}}
  scheduler: {{type: MultiStepLR, milestones: [1e2]}}
  pixel_opt: {{type: L1Loss}}
logger: {{print_freq: 1, save_checkpoint_freq: 5, use_tb_logger: false, keep_best: psnr}}
"""


def test_seven_errors_are_reported_at_once_in_seven_lines(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / 'seven.yml'
    path.write_text(SEVEN.format(folder=tmp_path))
    with pytest.raises(InputError) as caught:
        load_options(path, is_train=True)
    assert str(caught.value).splitlines() == [
        f'{path}: `datasets.train.gt_sizee`: did you mean `gt_size`?',
        f"{path}: `datasets.train.sampling`: 'rfss' should be 'rfs', 'uniform', 'importance', 'band' or 'rejection'; "
        'did you mean `rfs`?',
        f"{path}: `train.optim_g.lr`: 'quick' is not a number",
        f'{path}: `datasets.train.gt_size`: 190 is not a multiple of scale 4; 188 and 192 are',
        f'{path}: `network_g.upscale`: 2 differs from scale 4',
        f"{path}: `logger.keep_best`: 'psnr' is not a metric in val.metrics, which has none",
        f'{path}: `datasets.train.dataroot_lq`: there is no folder nowhere; `bsr prepare` makes it from HR images',
    ]


KEYS = sorted({*RFSTrainingPairs.model_fields, *section_of('network', 'BSRNet').model_fields, *Train.model_fields})
KEYS = [key for key in KEYS if key not in Train.adversarial]


@st.composite
def misspelt(draw):
    """A key, and the same with one letter left out, put in, changed, or two swapped."""
    key = draw(st.sampled_from([key for key in KEYS if len(key) > 3]))
    at = draw(st.integers(0, len(key) - 2))
    letter = draw(st.sampled_from('abcdefghijklmnopqrstuvwxyz_'))
    return key, draw(
        st.sampled_from(
            [
                key[:at] + key[at + 1 :],
                key[:at] + letter + key[at:],
                key[:at] + letter + key[at + 1 :],
                key[:at] + key[at + 1] + key[at] + key[at + 2 :],
                key.upper(),
            ]
        )
    )


def distance(a, b):
    """Levenshtein's distance, straight from its definition."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row, last = [i], row
        for j, y in enumerate(b, 1):
            row.append(min(last[j] + 1, row[-1] + 1, last[j - 1] + (x != y)))
    return row[-1]


@given(misspelt())
def test_a_slip_of_the_finger_finds_its_key_or_one_as_near(pair):
    key, typed = pair
    assume(typed not in KEYS)
    found = nearest(typed, KEYS)
    assert found is not None
    assert distance(found, typed.lower()) <= 2
    if len(key) > 6:
        assert found == key


def test_nothing_near_is_nothing():
    assert nearest('zzz', KEYS) is None
