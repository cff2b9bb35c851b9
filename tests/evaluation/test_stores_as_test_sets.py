"""Prepared stores of every encoding serve as test sets, with the figures of the HR images they were made from."""

import pytest

from bsr_plugin.data.prepare import Preparation, prepare
from bsr_plugin.evaluation.results import read_results


@pytest.mark.parametrize('kind', ['RFSPairedImageDataset', 'SRBenchmarkDataset'])
@pytest.mark.parametrize('encoding', ['raw', 'png', 'files'])
def test_the_figures_are_those_of_the_hr_images(run_test, hr_folder, tmp_path, kind, encoding):
    made = prepare(Preparation(hr_folder, tmp_path / 'out', 2, lr_window=8, encoding=encoding))
    backend = {'type': 'disk' if encoding == 'files' else 'lmdb'}
    stores = {'dataroot_gt': str(made.hr_path), 'dataroot_lq': str(made.lr_path), 'io_backend': backend}
    means = []
    for options in ({'type': kind, **stores}, {'dataroot_gt': str(hr_folder)}):
        assert run_test([{'name': 'Six', **options}]) == 0
        (kept,) = read_results(tmp_path / 'results/run').sets
        assert len(kept.images) == 6
        means.append(kept.mean)
    assert means[0] == means[1]
