"""The bicubic row is measured on the files of the run, wherever they lie."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from bsr_plugin.data.degradation import degrade
from bsr_plugin.data.image_file import read_image
from bsr_plugin.errors import InputError
from bsr_plugin.evaluation.results import read_results
from bsr_plugin.report.baselines import baseline_of, lr_image, measure_baselines, read_pair
from bsr_plugin.report.bicubic import bicubic_baseline


def test_files_and_stores_give_the_same(project):
    (part,) = read_results(project.first).sets
    store = project.root / 'datasets/Set5/HR_x2.lmdb'
    stored = replace(
        part,
        images=[replace(image, gt=f'{store}/{image.name}') for image in part.images],
    )
    figures, problems = measure_baselines([part, stored])

    assert (len(figures), problems) == (10, [])
    assert baseline_of(part, figures) == baseline_of(stored, figures)
    expected = bicubic_baseline(project.hr, 2)
    assert baseline_of(part, figures) == [expected[image.name] for image in part.images]
    np.testing.assert_array_equal(read_pair(stored, stored.images[2])[0], read_pair(part, part.images[2])[0])


def test_an_image_that_two_runs_tested_is_measured_once(project, monkeypatch):
    from bsr_plugin.report import baselines

    calls = []
    monkeypatch.setattr(baselines, 'interpolation_quality', lambda *words: calls.append(words[3]))
    first, second = (read_results(folder).sets[0] for folder in (project.first, project.second))
    measure_baselines([first, second])
    assert sorted(calls) == sorted(image.gt for image in first.images)


@pytest.mark.parametrize('degradation', ['bicubic', 'blur-down'])
def test_the_lr_image_is_made_as_it_was(project, degradation):
    (part,) = read_results(project.first).sets
    part = replace(part, degradation=degradation, scale=3)
    whole = read_image(project.hr / 'baby.png')
    np.testing.assert_array_equal(lr_image(part, part.images[0]), degrade(whole[:87, :96], 3, degradation))


@pytest.fixture
def given(project, tmp_path):
    """The set of the first run as if its LR images had been given: a folder of them, and the changed result."""

    def make(change=lambda lr: lr):
        (part,) = read_results(project.first).sets
        for image in part.images:
            cv2.imwrite(str(tmp_path / f'{image.name}x2.png'), change(lr_image(part, image)))
        images = [replace(image, lq=str(tmp_path / f'{image.name}x2.png')) for image in part.images]
        return part, replace(part, images=images)

    return make


def test_lr_files_that_the_degradation_makes_give_the_papers_figure(given):
    made, files = given()
    figures, problems = measure_baselines([made, files])
    assert (len(figures), problems) == (10, [])
    assert baseline_of(files, figures) == baseline_of(made, figures)


def test_other_lr_files_are_interpolated_themselves(given):
    made, files = given(lambda lr: cv2.GaussianBlur(lr, (0, 0), 2))
    lr = lr_image(files, files.images[1])
    np.testing.assert_array_equal(lr, cv2.imread(files.images[1].lq))
    figures, _ = measure_baselines([made, files])
    for of_file, of_made in zip(baseline_of(files, figures), baseline_of(made, figures), strict=True):
        assert of_file.psnr_y < of_made.psnr_y - 0.5
    expected = np.abs(cv2.imread(files.images[1].lq).astype(float) - lr_image(made, made.images[1])).mean()
    assert baseline_of(files, figures)[1].lr_difference == pytest.approx(expected)
    assert baseline_of(made, figures)[1].lr_difference == 0
    # An independent computation: Y of the file, OpenCV's bicubic interpolation in floating point.
    truth, lr = cv2.imread(files.images[1].gt)[:92], lr.astype(np.float32)
    y = [16 + image @ np.array([24.966, 128.553, 65.481]) / 255 for image in (truth, lr)]
    up = cv2.resize(y[1], (96, 92), interpolation=cv2.INTER_CUBIC)
    error = (np.round(up) - np.round(y[0]))[2:-2, 2:-2]
    assert baseline_of(files, figures)[1].psnr_y == pytest.approx(10 * np.log10(255**2 / np.mean(error**2)), abs=0.1)


def test_hr_images_are_cut_to_the_lr_files_and_must_not_be_smaller(given):
    _, files = given(lambda lr: lr[:-2, :-1])
    hr, lr = read_pair(files, files.images[0])
    assert (hr.shape, lr.shape) == ((84, 94, 3), (42, 47, 3))
    _, files = given(lambda lr: np.pad(lr, ((0, 1), (0, 0), (0, 0))))
    figures, problems = measure_baselines([files])
    assert figures == {}
    assert 'baby.png is smaller than 2 times' in problems[0]


def test_an_image_that_its_store_has_no_more_is_named(project):
    (part,) = read_results(project.first).sets
    store = project.root / 'datasets/Set5/HR_x2.lmdb'
    gone = replace(part.images[0], gt=f'{store}/gone')
    with pytest.raises(InputError, match=r'HR_x2\.lmdb has no image gone any more'):
        read_pair(part, gone)
