"""Which images are shown, and in which versions."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from bsr_plugin.errors import InputError
from bsr_plugin.report.baselines import key_of, lr_image, measure_baselines
from bsr_plugin.report.build import load_runs
from bsr_plugin.report.examples import choose, crops_figure, load_example


@pytest.fixture(scope='module')
def runs(project):
    return load_runs([project.first, project.second])


@pytest.fixture(scope='module')
def baselines(runs):
    figures, problems = measure_baselines(part for run in runs for part in run.sets)
    assert problems == []
    return figures


def gains(run, baselines):
    (part,) = run.sets
    return {image.name: image.values['psnr_y'] - baselines[key_of(part, image)].psnr_y for image in part.images}


def test_the_largest_and_the_smallest_gain_are_always_shown(runs, baselines):
    order = sorted(gains(runs[0], baselines), key=gains(runs[0], baselines).get, reverse=True)
    assert [image.name for _, image in choose(runs, baselines, 3)] == [order[0], order[2], order[4]]
    assert [image.name for _, image in choose(runs, baselines, 1)] == [order[0]]
    assert [image.name for _, image in choose(runs, baselines, 9)] == order
    assert choose(runs, baselines, 0) == []


def test_an_image_in_all_versions(runs, baselines, project):
    (part,) = runs[0].sets
    image = next(image for image in part.images if image.name == 'bird')
    example = load_example(runs, part, image, baselines)

    assert [version.label for version in example.versions] == ['Bicubic', 'first', 'second', 'HR']
    truth = cv2.imread(str(project.hr / 'bird.png'))
    np.testing.assert_array_equal(example.versions[-1].picture, truth)
    np.testing.assert_array_equal(
        example.versions[1].picture, cv2.imread(str(project.first / 'visualization/Set5/bird_first.png'))
    )
    assert example.versions[1].psnr == image.values['psnr_y']
    # OpenCV's bicubic interpolation of the LR image, with a slightly different kernel, is near.
    other = cv2.resize(lr_image(part, image), (96, 92), interpolation=cv2.INTER_CUBIC)
    assert peak_signal_noise_ratio(other, example.versions[0].picture) > 30
    top, left, side = example.detail
    rows, columns = example.region
    assert rows.start <= top < top + side <= rows.stop <= 92
    assert columns.start <= left < left + side <= columns.stop <= 96


def test_the_figure_has_a_row_for_each_image(runs, baselines):
    examples = [load_example(runs, part, image, baselines) for part, image in choose(runs, baselines, 2)]
    figure = crops_figure(examples)
    assert len(figure.axes) == 2 * 5
    captions = [axes.get_title().replace('\n', ' ') for axes in figure.axes[:5]]
    assert captions == [f'Set5: {examples[0].name}, x2', *(version.caption for version in examples[0].versions)]
    top, left, side = examples[0].detail
    shown = figure.axes[2].images[0].get_array()
    np.testing.assert_array_equal(shown, examples[0].versions[1].picture[top : top + side, left : left + side, ::-1])


def test_a_picture_that_is_gone_is_named(runs, baselines, tmp_path):
    (part,) = runs[0].sets
    image = next(image for image in part.images if image.name == 'bird')
    gone = replace(image, picture=str(tmp_path / 'bird_first.png'))
    with pytest.raises(InputError, match=r'bird_first\.png cannot be read'):
        load_example([replace(runs[0], sets=[replace(part, images=[gone])])], part, image, baselines)


def test_an_hr_image_that_is_gone_has_no_bicubic_figure(runs):
    (part,) = runs[0].sets
    gone = replace(part, images=[replace(part.images[0], gt='/nowhere/baby.png'), part.images[1]])
    figures, problems = measure_baselines([gone])
    assert len(figures) == 1
    assert problems == ['No bicubic figure: /nowhere/baby.png cannot be read (No such file or directory).']
