"""``metrics.json`` keeps every figure, those included that JSON has no number for."""

import json
import math

import pytest

from bsr_plugin.evaluation.results import (
    ImageResult,
    RunResult,
    SetResult,
    SkippedImage,
    kind_of,
    read_results,
    write_results,
)


def test_what_is_written_is_read_again(tmp_path):
    values = {'psnr_y': float('inf'), 'ssim_y': 1 / 3, 'lowest': float('-inf')}
    image = ImageResult('ä.b', '/HR/ä.b.png', '/LR/äx4.b.png', 'visualization/Set5/ä.b_run.png', values)
    part = SetResult('Set5', 4, 'blur-down', [image], [], values)
    run = RunResult(
        'run', {'type': 'BSRNet', 'rgb_mean': [0.1, 0.2]}, 10, '/net.pth', None, {'psnr_y': {'a': 1}}, [part]
    )

    file = write_results(tmp_path, run)

    assert read_results(tmp_path) == run
    json.loads(file.read_text(encoding='utf-8'), parse_constant=lambda name: pytest.fail(f'{name} is no JSON'))


def test_a_figure_that_is_no_number_is_read_as_one(tmp_path):
    part = SetResult('Set5', 4, 'bicubic', [], [], {'ssim_y': float('nan')})
    write_results(tmp_path, RunResult('run', {}, 1, None, None, {}, [part]))
    assert math.isnan(read_results(tmp_path).sets[0].mean['ssim_y'])


def test_what_is_doubtful_and_what_is_missing_is_said():
    image = ImageResult('a', '/HR/a.png', None, None, {'psnr_y': float('nan'), 'ssim_y': 0.5})
    sound = ImageResult('b', '/HR/b.png', None, None, {'psnr_y': float('inf'), 'ssim_y': 0.5})
    part = SetResult('Set5', 4, 'bicubic', [image, sound], [SkippedImage('c', 'It is gone.')], {})
    empty = SetResult('Set14', 4, 'bicubic', [], [], {})
    run = RunResult('run', {}, 1, None, None, {}, [part, empty])
    assert run.warnings == [
        'run has no weights (pretrain_network_g is ~): its figures are those of a random network.',
        'run, Set5, a: psnr_y is NaN, and so is its mean.',
    ]
    assert run.left_out == ['run, Set5, c: It is gone.', 'run, Set14: no image was measured.']
    assert RunResult('run', {}, 1, '/net.pth', None, {}, []).warnings == []


def test_which_metrics_are_those_of_published_tables():
    psnr, ssim = {'type': 'calculate_psnr', 'crop_border': 4}, {'type': 'calculate_ssim', 'crop_border': 4}
    assert kind_of({**psnr, 'test_y_channel': True}) == 'psnr_y'
    assert kind_of(psnr) == kind_of({**psnr, 'test_y_channel': False}) == 'psnr_rgb'
    assert kind_of({**ssim, 'test_y_channel': True}) == 'ssim_y'
    assert kind_of(ssim) is kind_of({'type': 'calculate_niqe'}) is None
