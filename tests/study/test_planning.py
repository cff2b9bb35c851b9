"""From a study file to checked options of every run."""

import numpy as np
import pytest
import torch

from bsr_plugin.errors import InputError
from bsr_plugin.options import check_options, load_options
from bsr_plugin.study.planning import as_file, plan_study
from bsr_plugin.study.record import digest_of


def test_every_variant_with_every_seed_in_turn(plan):
    assert [(cell.variant, cell.seed) for cell in plan.cells] == [
        ('rfs', 1), ('uniform', 1), ('rfs', 2), ('uniform', 2),
    ]  # fmt: skip
    cell = plan.cells[3]
    assert (cell.train['name'], cell.train['manual_seed']) == ('uniform_2', 2)
    assert cell.train['datasets']['train']['sampling'] == 'uniform'
    assert 'sampling' not in plan.cells[0].train['datasets']['train']
    assert cell.train['logger']['use_tb_logger'] is True
    assert (cell.iterations, cell.sets) == (30, ['First', 'Second'])


def test_the_final_test_is_of_the_average_if_there_is_one(study_file, base):
    averaged = plan_study(study_file()).cells[0]
    assert averaged.test['path'] == {'pretrain_network_g': None, 'param_key_g': 'params_ema', 'strict_load_g': True}
    assert averaged.test['datasets'] == {'test_1': base['datasets']['val'], 'test_2': base['datasets']['val_2']}
    assert averaged.test['val'] == {'save_img': False, 'metrics': base['val']['metrics']}
    assert check_options(averaged.test, is_train=False) == []
    plain = plan_study(study_file(of_base={'train': {**base['train'], 'ema_decay': 0}})).cells[0]
    assert plain.test['path']['param_key_g'] == 'params'


def test_options_come_back_from_their_file_as_they_were(study_file, base, tmp_path):
    odd = {**base['train'], 'optim_g': {'type': 'Adam', 'lr': '1e-3', 'eps': 1e-8}}
    cell = plan_study(study_file(of_base={'train': odd})).cells[0]
    file = tmp_path / 'train.yml'
    file.write_text(as_file(cell.train))
    options = load_options(file, is_train=True)
    assert options.pop('bsr_plugin')
    assert options == cell.train
    assert options['train']['optim_g'] == {'type': 'Adam', 'lr': 1e-3, 'eps': 1e-8}


@pytest.mark.parametrize(
    ('variant', 'sentence'),
    [
        ({'train': {'total_itr': 3}}, 'variant rfs: `train.total_itr`: did you mean `total_iter`?'),
        ({'manual_seed': 4}, "variant rfs: `manual_seed`: the study's seeds give it: leave it out"),
        ({'name': 'x'}, "variant rfs: `name`: it is the variant's: leave it out"),
        ({'datasets': {'train': {'seed': 4}}}, 'variant rfs: `datasets.train.seed`: the study'),
        ({'path': {'experiments_root': '/x'}}, 'variant rfs: `path.experiments_root`: the runs of a study are kept in'),
        ({'num_gpu': 2}, 'variant rfs: `num_gpu`: 2, but every run of a study has one GPU'),
        ({'val': {'metrics': None}}, 'variant rfs: `val.metrics`: a study compares metrics: give some'),
        (
            {'val': {'metrics': {'psnr_y': {'crop_border': 8}}}},
            'variant rfs: `val.metrics`: differs from that of uniform',
        ),
        ({'datasets': {'val': {'name': 'Other'}}}, 'variant rfs: `datasets.val`: differs from that of uniform'),
        ({'datasets': {'train': {'dataroot_gt': '/nowhere'}}}, 'there is no folder /nowhere'),
        ({'train': {'pixel_opt': {'type': 'L1Los'}}}, 'variant rfs: `train.pixel_opt'),
    ],
)
def test_a_wrong_variant_is_named_before_anything_is_made(study_file, tmp_path, variant, sentence):
    file = study_file(variants={'rfs': variant, 'uniform': None})
    with pytest.raises(InputError) as caught:
        plan_study(file)
    assert sentence in str(caught.value)
    assert all(line.startswith(f'{file}: ') for line in str(caught.value).splitlines())
    assert sorted(path.name for path in tmp_path.iterdir()) == ['base.yml', 'study.yml']


def test_what_is_wrong_with_several_variants_is_said_once(study_file, base):
    train = {**base['datasets']['train'], 'dataroot_gt': '/nowhere'}
    file = study_file(
        of_base={'datasets': {**base['datasets'], 'train': train}},
        variants={'rfs': {'train': {'total_itr': 3}}, 'uniform': {'num_gpu': -1}, 'third': {'num_gpu': -1}},
    )
    with pytest.raises(InputError) as caught:
        plan_study(file)
    shared, own, of_two = str(caught.value).splitlines()
    missing = 'there is no folder /nowhere; correct the path'
    assert shared == f'{file}: all variants: `datasets.train.dataroot_gt`: {missing}'
    assert own == f'{file}: variant rfs: `train.total_itr`: did you mean `total_iter`?'
    assert of_two == f'{file}: variants third, uniform: `num_gpu`: -1 is neither auto nor a number of GPUs'


def test_comparisons_do_not_change_what_runs_do(study_file):
    comparisons = [{'says': 'Balance pays.', 'better': 'rfs', 'than': 'uniform'}]
    without, given = plan_study(study_file()), plan_study(study_file(comparisons=comparisons))
    assert list(map(digest_of, given.cells)) == list(map(digest_of, without.cells))
    assert [(each.better, each.than) for each in given.comparisons] == [('rfs', 'uniform')]


def test_a_base_without_validation_sets_is_refused(study_file, base):
    only_train = {'train': base['datasets']['train']}
    with pytest.raises(InputError, match=r'a study compares figures on validation sets: give datasets\.val'):
        plan_study(study_file(of_base={'datasets': only_train}))


def test_sets_that_are_degraded_in_another_way_are_not_compared(study_file, base):
    benchmark = {'name': 'First', 'type': 'SRBenchmarkDataset', 'dataroot_gt': base['datasets']['val']['dataroot_gt']}
    of_base = {'datasets': {**base['datasets'], 'val': benchmark}}

    def plan_with(**val):
        return plan_study(study_file(of_base, variants={'uniform': None, 'other': {'datasets': {'val': val}}}))

    with pytest.raises(InputError, match=r'variant other: `datasets\.val\.degradation`: differs from that of uniform'):
        plan_with(degradation='blur-down')
    assert len(plan_with(degradation='bicubic').cells) == 4


def batches(options, count):
    """The first batches of a training set, as a run with its seed draws them."""
    from basicsr.utils import set_random_seed

    from bsr_plugin.data.rfs_paired_image_dataset import RFSPairedImageDataset

    set_random_seed(options['manual_seed'])
    dataset = RFSPairedImageDataset({**options['datasets']['train'], 'phase': 'train', 'scale': options['scale']})
    size = options['datasets']['train']['batch_size_per_gpu']
    found = []
    for number in range(count):
        batch = dataset.__getitems__(list(range(number * size, (number + 1) * size)))
        found.append(np.stack([np.asarray(each['gt']) for each in batch]))
    return found


def test_one_seed_gives_all_variants_the_same_batches_and_another_seed_others(study_file):
    variants = {
        'rfs': None,
        'loss': {'train': {'pixel_opt': {'type': 'L1Loss'}}, 'network_g': {'num_feat': 4}},
        'uniform': {'datasets': {'train': {'sampling': 'uniform'}}},
    }
    plan = plan_study(study_file(variants=variants))
    drawn = {(cell.variant, cell.seed): batches(cell.train, 3) for cell in plan.cells}
    for seed in plan.seeds:
        assert all(map(np.array_equal, drawn['rfs', seed], drawn['loss', seed]))
        assert not all(map(np.array_equal, drawn['rfs', seed], drawn['uniform', seed]))
    for variant in variants:
        assert not any(map(np.array_equal, drawn[variant, 1], drawn[variant, 2]))


def test_one_seed_gives_variants_of_one_network_the_same_first_weights(study_file):
    from basicsr.archs import build_network
    from basicsr.utils import set_random_seed

    plan = plan_study(study_file())
    weights = {}
    for cell in plan.cells:
        set_random_seed(cell.train['manual_seed'])
        weights[cell.variant, cell.seed] = torch.cat(
            [each.flatten() for each in build_network(dict(cell.train['network_g'])).parameters()]
        )
    assert torch.equal(weights['rfs', 1], weights['uniform', 1])
    assert not torch.equal(weights['rfs', 1], weights['rfs', 2])
