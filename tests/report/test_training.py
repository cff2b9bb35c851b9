"""The training run behind tested weights, and which row of table 4 it is."""

import shutil
from dataclasses import replace

import pytest

from bsr_plugin.evaluation.results import read_results
from bsr_plugin.options.loader import read_options
from bsr_plugin.report.training import training_of, variant

RFS = {'type': 'RFSPairedImageDataset'}
HYBRID = {'type': 'HybridL1L2LpLoss'}


def options(train_set=RFS, loss=HYBRID, network=None):
    return {'datasets': {'train': train_set}, 'train': {'pixel_opt': loss}, 'network_g': network or {'type': 'BSRNet'}}


@pytest.mark.parametrize(
    ('given', 'expected'),
    [
        (options(), 'BSR baseline'),
        (options(train_set={**RFS, 'sampling': 'rejection'}), 'BSR baseline'),
        (options(train_set={**RFS, 'sampling': 'uniform'}), 'BSR w/o RFS'),
        (options(train_set={'type': 'PairedImageDataset'}), 'BSR w/o RFS'),
        (options(network={'type': 'BSRNet', 'skip_connections': False}), 'BSR w/o SC'),
        (options(loss={**HYBRID, 'l1_weight': 0, 'lp_weight': 0}), 'BSR L2'),
        (options(loss={**HYBRID, 'lp_weight': 0}), 'BSR L2+L1'),
        (options(loss={'type': 'L1Loss'}), 'BSR L1Loss'),
        (options(network={'type': 'EDSR'}), None),
        (options({**RFS, 'sampling': 'uniform'}, {**HYBRID, 'lp_weight': 0}), 'BSR w/o RFS, L2+L1'),
        (options(train_set={**RFS, 'pic_balance': 0}), 'BSR w/o RFS'),
        (options(train_set={**RFS, 'sampling': 'rfs', 'pic_balance': 1.0, 'image_choice': 'share'}), 'BSR baseline'),
        (options(train_set={**RFS, 'sampling': 'importance', 'pic_balance': 0}), 'BSR importance'),
        (options(train_set={**RFS, 'sampling': 'band'}), 'BSR band'),
        (
            options(train_set={**RFS, 'pic_balance': 0.5, 'image_choice': 'spread'}),
            'BSR pic_balance 0.5, image_choice spread',
        ),
        (
            options(train_set={**RFS, 'pic_balance': {'from': 1, 'to': 0, 'between': [0, 9]}}),
            'BSR pic_balance annealed',
        ),
        (options(train_set={**RFS, 'pic_score': 'residual'}), 'BSR pic_score residual'),
        (options(network={'type': 'BSRNet', 'attention': 'none'}), 'BSR attention none'),
    ],
)
def test_rows_of_table_4(given, expected):
    assert variant(given) == expected


@pytest.mark.parametrize(
    ('file', 'row'),
    [
        ('train_BSR_x4.yml', 'BSR baseline'),
        ('ablation/train_BSR_x4_without_RFS.yml', 'BSR w/o RFS'),
        ('ablation/train_BSR_x4_without_SC.yml', 'BSR w/o SC'),
        ('ablation/train_BSR_x4_L2.yml', 'BSR L2'),
        ('ablation/train_BSR_x4_L2_L1.yml', 'BSR L2+L1'),
    ],
)
def test_the_ablations_of_the_project_are_the_rows_of_the_paper(file, row, request):
    assert variant(read_options(request.config.rootpath / 'options' / file)) == row


def test_a_training_run_is_found_from_the_weights(project):
    training = training_of(read_results(project.first))
    assert (training.name, training.log) == ('BSR_tiny', project.log)
    assert variant(training.options) == 'BSR w/o RFS'


def test_runs_may_be_kept_in_another_folder(project, tmp_path):
    shutil.copytree(project.experiment, tmp_path / 'runs/mine')
    moved = replace(read_results(project.first), weights=str(tmp_path / 'runs/mine/models/net_g_latest.pth'))
    training = training_of(moved)
    assert (training.name, training.log) == ('mine', None)
    assert variant(training.options) == 'BSR w/o RFS'


def test_weights_from_elsewhere_have_none(project, tmp_path):
    assert training_of(read_results(project.second)) is None
    elsewhere = replace(read_results(project.first), weights=str(tmp_path / 'net.pth'))
    assert training_of(elsewhere) is None


def test_what_the_command_line_changed_is_a_part_of_the_options(project, tmp_path):
    shutil.copytree(project.experiment, tmp_path / 'runs/mine')
    file, *others = (tmp_path / 'runs/mine').glob('*.yml')
    assert not others
    head = '# GENERATE TIME: now\n# CMD:\n# train.py -opt x.yml --force_yml datasets:train:sampling=rfs\n\n'
    file.write_text(head + file.read_text())
    moved = replace(read_results(project.first), weights=str(tmp_path / 'runs/mine/models/net_g_latest.pth'))
    assert variant(training_of(moved).options) == 'BSR baseline'
