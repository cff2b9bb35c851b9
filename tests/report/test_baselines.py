"""The bicubic row is measured on the files of the run, wherever they lie."""

from dataclasses import replace

import numpy as np
import pytest

from bsr_plugin.data.degradation import degrade
from bsr_plugin.data.image_file import read_image
from bsr_plugin.evaluation.results import read_results
from bsr_plugin.report.baselines import baseline_of, hr_image, lr_image, measure_baselines
from bsr_plugin.report.bicubic import bicubic_baseline


def test_files_and_stores_give_the_same(project):
    (part,) = read_results(project.first).sets
    store = project.root / 'datasets/Set5/HR_x2.lmdb'
    stored = replace(
        part,
        io_backend='lmdb',
        gt_folder=str(store),
        images=[replace(image, gt=f'{store}/{image.name}.png') for image in part.images],
    )
    figures, problems = measure_baselines([part, stored])

    assert (len(figures), problems) == (10, [])
    assert baseline_of(part, figures) == baseline_of(stored, figures)
    expected = bicubic_baseline(project.hr, 2).images
    assert baseline_of(part, figures) == [expected[image.name] for image in part.images]
    np.testing.assert_array_equal(hr_image(stored, stored.images[2]), hr_image(part, part.images[2]))


def test_an_image_that_two_runs_tested_is_measured_once(project, monkeypatch):
    from bsr_plugin.report import baselines

    calls = []
    monkeypatch.setattr(baselines, 'interpolation_quality', lambda *words: calls.append(words[-1]))
    first, second = (read_results(folder).sets[0] for folder in (project.first, project.second))
    measure_baselines([first, second])
    assert sorted(calls) == sorted(image.gt for image in first.images)


@pytest.mark.parametrize('degradation', ['bicubic', 'blur-down'])
def test_the_lr_image_is_made_as_it_was(project, degradation):
    (part,) = read_results(project.first).sets
    part = replace(part, degradation=degradation, scale=3)
    whole = read_image(project.hr / 'baby.png')
    np.testing.assert_array_equal(lr_image(part, part.images[0]), degrade(whole[:87, :96], 3, degradation))
