"""``SRBenchmarkDataset`` in an option file."""

import pytest

from bsr_plugin.options import check_options


@pytest.fixture
def benchmark(testing):
    """Options of a test on two benchmark sets whose LR images are made."""
    for name, key in (('Set5', 'test_1'), ('Urban100', 'test_2')):
        folder = f'datasets/{name}/GTmod12'
        testing['datasets'][key] = {'name': name, 'type': 'SRBenchmarkDataset', 'dataroot_gt': folder}
    return testing


def test_hr_images_are_all_it_needs(benchmark):
    assert check_options(benchmark, is_train=False, check_paths=False) == []
    benchmark['datasets']['test_1'] |= {'degradation': 'blur-down', 'dataroot_lq': 'LR', 'filename_tmpl': '{}x4'}
    benchmark['datasets']['test_1'] |= {'io_backend': {'type': 'disk'}}
    assert check_options(benchmark, is_train=False, check_paths=False) == []


def test_a_set_that_is_not_there_is_left_out_unless_it_is_the_last(benchmark, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'datasets/Set5/GTmod12').mkdir(parents=True)
    assert check_options(benchmark, is_train=False) == []
    del benchmark['datasets']['test_1']
    assert check_options(benchmark, is_train=False) == [
        '`datasets.test_2.dataroot_gt`: there is no folder datasets/Urban100/GTmod12; `bsr download Urban100` brings it'
    ]


@pytest.mark.parametrize(
    ('change', 'line'),
    [
        ({'degradation': 'blur'}, "`datasets.test_1.degradation`: 'blur' should be 'bicubic' or 'blur-down'"),
        ({'degradatoin': 'bicubic'}, '`datasets.test_1.degradatoin`: did you mean `degradation`?'),
        ({'scale': 2}, '`datasets.test_1.scale`: 2 differs from scale 4'),
        (
            {'dataroot_gt': 'HR.lmdb', 'io_backend': {'type': 'disk'}},
            '`datasets.test_1.dataroot_gt`: HR.lmdb is a store',
        ),
    ],
)
def test_what_is_wrong_with_it(benchmark, change, line):
    benchmark['datasets']['test_1'] |= change
    (found,) = check_options(benchmark, is_train=False, check_paths=False)
    assert found.startswith(line), found
