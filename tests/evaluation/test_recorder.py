"""Test runs keep what they measure, whichever engine runs them, with the figures of the toolbox's own loop."""

import json
import logging
import re
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from basicsr.metrics import calculate_psnr, calculate_ssim
from basicsr.models import sr_model

from bsr_plugin.cli import main
from bsr_plugin.data.degradation import crop_to_multiple, degrade
from bsr_plugin.evaluation import recorder
from bsr_plugin.evaluation.results import read_results
from bsr_plugin.report.baselines import read_pair


@pytest.fixture
def log():
    """The lines of the toolbox's log; its logger hands nothing on to the ones above it."""
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger = logging.getLogger('basicsr')
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield lines
    logger.removeHandler(handler)
    logger.setLevel(level)


def logged_means(log, set_name):
    text = next(line for line in log if line.startswith(f'Validation {set_name}\n'))
    return {name: float(value) for name, value in re.findall(r'# (\w+): ([\d.]+)', text)}


@pytest.mark.parametrize('engine', ['SRModel', 'BSRModel'])
def test_every_image_and_every_mean_is_kept_beside_the_log(run_test, hr_folder, tmp_path, log, engine):
    assert run_test([{'name': 'Six', 'dataroot_gt': str(hr_folder)}], model_type=engine) == 0

    result = read_results(tmp_path / 'results/run')
    (kept,) = result.sets
    assert [image.name for image in kept.images] == ['0', '1', '2', '3', '4', '5']
    assert (kept.name, kept.scale, kept.degradation, kept.images[0].lq) == ('Six', 2, 'bicubic', None)
    for image in kept.images:
        saved = cv2.imread(str(tmp_path / 'results/run' / image.picture))
        truth = cv2.imread(image.gt)[: saved.shape[0], : saved.shape[1]]
        assert image.values == {
            'psnr_y': calculate_psnr(saved, truth, 2, test_y_channel=True),
            'ssim_y': calculate_ssim(saved, truth, 2, test_y_channel=True),
            'psnr_rgb': calculate_psnr(saved, truth, 2),
        }
    for name, mean in kept.mean.items():
        assert mean == pytest.approx(np.mean([image.values[name] for image in kept.images]), abs=1e-12)
    assert logged_means(log, 'Six') == {name: round(mean, 4) for name, mean in kept.mean.items()}
    assert result.metric_named('psnr_rgb') == 'psnr_rgb'
    assert result.parameters == 112 + 2 * 148 + 37 + 36 + 592 + 111  # the network's convolutions, first to last


@pytest.mark.parametrize('engine', ['SRModel', 'BSRModel'])
def test_pictures_metrics_and_means_are_those_of_the_stock_loop_to_the_last_bit(
    hr_folder, run_test, tmp_path, log, engine, monkeypatch
):
    """The same test with the toolbox's own loop, which adds up its metrics where they can be looked at."""
    sets = [{'name': 'Six', 'dataroot_gt': str(hr_folder)}]
    run_test(sets, model_type=engine)
    (kept,) = read_results(tmp_path / 'results/run').sets
    pictures = sorted((tmp_path / 'results/run/visualization').rglob('*.png'))
    ours = {path.name: path.read_bytes() for path in pictures}
    lines = [line for line in log if line.startswith('Validation')]

    stock, means = sr_model.SRModel._log_validation_metric_values, {}

    def noting(self, *arguments):
        means.update(self.metric_results)
        stock(self, *arguments)

    monkeypatch.setattr(recorder.Recorder, 'follow', lambda self, model: None)
    monkeypatch.setattr(sr_model.SRModel, '_log_validation_metric_values', noting)
    log.clear()
    run_test(sets, model_type=engine)
    assert kept.mean == means
    assert [line for line in log if line.startswith('Validation')] == lines
    assert {path.name: path.read_bytes() for path in pictures} == ours


def test_a_slow_metric_does_not_hold_up_the_network(run_test, hr_folder, tmp_path, monkeypatch):
    moments = []
    stock = sr_model.SRModel.test

    def network(self):
        moments.append(('network', time.monotonic(), threading.current_thread() is threading.main_thread()))
        stock(self)

    def slow(data, options):
        time.sleep(0.2)
        moments.append(('metric', time.monotonic(), threading.current_thread() is threading.main_thread()))
        return 1.0

    monkeypatch.setattr(sr_model.SRModel, 'test', network)
    monkeypatch.setattr(recorder, 'calculate_metric', slow)
    one = {'psnr_y': {'type': 'calculate_psnr', 'crop_border': 2, 'test_y_channel': True}}
    assert run_test([{'name': 'Six', 'dataroot_gt': str(hr_folder)}], val={'save_img': False, 'metrics': one}) == 0

    assert [name for name, *_ in moments].index('metric') > 1
    assert {name: main for name, _, main in moments} == {'network': True, 'metric': False}
    (kept,) = read_results(tmp_path / 'results/run').sets
    assert kept.mean == {'psnr_y': 1.0}
    assert kept.images[0].picture is None


def test_sets_follow_each_other_and_those_not_there_are_named(run_test, hr_folder, tmp_path, capfd):
    sets = [
        {'name': 'Six', 'dataroot_gt': str(hr_folder)},
        {'name': 'Urban100', 'dataroot_gt': str(tmp_path / 'nowhere')},
        {'name': 'Blurred', 'dataroot_gt': str(hr_folder), 'degradation': 'blur-down'},
    ]
    assert run_test(sets) == 0

    assert re.search(r'Skipping Urban100: .*nowhere', capfd.readouterr().out)
    result = read_results(tmp_path / 'results/run')
    assert [(kept.name, kept.degradation) for kept in result.sets] == [('Six', 'bicubic'), ('Blurred', 'blur-down')]


def test_the_lr_files_of_a_run_are_recorded(run_test, hr_folder, tmp_path, picture):
    lr = tmp_path / 'LR'
    lr.mkdir()
    for number in range(6):
        hr = crop_to_multiple(cv2.imread(str(hr_folder / f'{number}.png')), 2)
        cv2.imwrite(str(lr / f'{number}x2.png'), degrade(hr, 2, 'bicubic'))
    given = {'dataroot_gt': str(hr_folder), 'dataroot_lq': str(lr), 'filename_tmpl': '{}x2'}
    assert run_test([{'name': 'Given', **given}, {'name': 'Made', 'dataroot_gt': str(hr_folder)}]) == 0
    first, second = read_results(tmp_path / 'results/run').sets
    assert [image.lq for image in first.images] == [str(lr / f'{number}x2.png') for number in range(6)]
    assert [image.lq for image in second.images] == [None] * 6
    assert [image.values for image in first.images] == [image.values for image in second.images]


@pytest.mark.parametrize('kind', ['PairedImageDataset', 'SRBenchmarkDataset'])
def test_images_in_stores_are_found_again_by_the_report(run_test, hr_folder, tmp_path, kind):
    (hr_folder / '5.png').rename(hr_folder / 'a b.c.png')
    words = ['prepare', str(hr_folder), '--out', str(tmp_path), '--scale', '2', '--encoding', 'png', '--lr-window', '8']
    assert main(words) == 0
    stores = {'dataroot_gt': str(tmp_path / 'HR_x2.lmdb'), 'dataroot_lq': str(tmp_path / 'LR_bicubic_x2.lmdb')}
    assert run_test([{'name': 'Six', 'type': kind, **stores, 'io_backend': {'type': 'lmdb'}}]) == 0
    (kept,) = read_results(tmp_path / 'results/run').sets
    assert [image.gt for image in kept.images] == [f'{stores["dataroot_gt"]}/{name}' for name in [*'01234', 'a b.c']]
    for image in kept.images:
        hr, lr = read_pair(kept, image)
        assert np.array_equal(hr, crop_to_multiple(cv2.imread(str(hr_folder / f'{Path(image.gt).name}.png')), 2))
        assert np.array_equal(lr, degrade(hr, 2, 'bicubic'))


def test_a_random_network_is_warned_of_once_and_recorded(run_test, hr_folder, tmp_path, log):
    sets = [{'name': name, 'dataroot_gt': str(hr_folder)} for name in ('One', 'Two')]
    assert run_test(sets) == 0
    warning = 'run has no weights (pretrain_network_g is ~): its figures are those of a random network.'
    assert log.count(warning) == 1
    assert log.index(warning) < next(number for number, line in enumerate(log) if line.startswith('Validation One'))
    assert json.loads((tmp_path / 'results/run/metrics.json').read_text())['weights'] is None


def test_a_missing_partner_stops_the_run_before_it_begins(run_test, hr_folder, tmp_path, capsys, picture):
    lr = tmp_path / 'LR'
    lr.mkdir()
    for number in range(5):
        cv2.imwrite(str(lr / f'{number}.png'), picture(number, 20, 20))
    assert run_test([{'name': 'Six', 'dataroot_gt': str(hr_folder), 'dataroot_lq': str(lr)}]) == 2
    error = capsys.readouterr().err
    assert f'{hr_folder} has 5 and {lr} no image for it (1 without a partner)' in error
    assert not (tmp_path / 'results/run/metrics.json').exists()


@pytest.mark.parametrize(
    ('kind', 'border', 'sides'), [('psnr', 8, (16, 18)), ('ssim', 8, (26, 28)), ('ssim', 0, (10, 12))]
)
def test_an_image_too_small_for_a_metric_is_named_and_left_out(run_test, tmp_path, picture, log, kind, border, sides):
    (tmp_path / 'Small').mkdir()
    for side in sides:
        cv2.imwrite(str(tmp_path / f'Small/{side}.png'), picture(side, side, 40))
    metrics = {'it': {'type': f'calculate_{kind}', 'crop_border': border, 'test_y_channel': True}}
    val = {'save_img': False, 'metrics': metrics}
    assert run_test([{'name': 'Small', 'dataroot_gt': str(tmp_path / 'Small')}], val=val) == 1

    (kept,) = read_results(tmp_path / 'results/run').sets
    assert [image.name for image in kept.images] == [str(sides[1])]
    smallest = 2 * border + (11 if kind == 'ssim' else 1)
    (skipped,) = kept.skipped
    assert (skipped.name, skipped.reason) == (
        str(sides[0]),
        f'{tmp_path}/Small/{sides[0]}.png is {sides[0]}x40, too small for it, which takes {smallest} pixels a '
        f'side with crop_border {border}: leave the image or the metric out.',
    )
    assert f'{sides[0]} is left out: {skipped.reason}' in log


def test_a_set_without_a_readable_image_does_not_end_the_run(run_test, hr_folder, tmp_path):
    broken = tmp_path / 'Broken'
    broken.mkdir()
    (broken / 'a.png').write_bytes(b'no image')
    sets = [{'name': 'Broken', 'dataroot_gt': str(broken)}, {'name': 'Six', 'dataroot_gt': str(hr_folder)}]

    assert run_test(sets) == 1

    first, second = read_results(tmp_path / 'results/run').sets
    assert (first.images, first.mean, [image.name for image in first.skipped]) == ([], {}, ['a'])
    assert len(second.images) == 6


def test_a_metric_that_is_nan_is_the_figure_of_nothing(run_test, hr_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(recorder, 'calculate_metric', lambda data, options: float('nan'))
    assert run_test([{'name': 'Six', 'dataroot_gt': str(hr_folder)}]) == 1
    assert re.search(r'stopped: psnr_rgb of .*0\.png is NaN: the network', capsys.readouterr().err)
    assert not (tmp_path / 'results/run/metrics.json').exists()


def test_a_set_without_images_is_refused_before_anything_is_touched(run_test, hr_folder, tmp_path, capsys):
    assert run_test([{'name': 'Six', 'dataroot_gt': str(hr_folder)}]) == 0
    before = sorted(tmp_path.rglob('*'))
    (tmp_path / 'Empty').mkdir()
    assert run_test([{'name': 'Empty', 'dataroot_gt': str(tmp_path / 'Empty')}]) == 2
    assert 'Empty' in capsys.readouterr().err
    assert set(before) <= set(tmp_path.rglob('*'))
    assert not list(tmp_path.glob('results/*archived*'))


def test_a_model_with_a_validation_of_its_own_keeps_it(log):
    class Other(sr_model.SRModel):
        def __init__(self):
            pass

        def nondist_validation(self, *arguments):
            return 'its own'

    model = Other()
    recorder.Recorder().follow(model)
    assert model.nondist_validation() == 'its own'
    assert log[-1] == 'Other validates in its own way: no metrics.json is written.'


def test_an_image_that_equals_its_hr_image_is_valid_json(run_test, tmp_path):
    """The mean over an infinite PSNR is infinite; JSON has no such number."""
    folder = tmp_path / 'Flat'
    folder.mkdir()
    cv2.imwrite(str(folder / 'black.png'), np.zeros((40, 40, 3), np.uint8))
    network = {'type': 'BSRNet', 'num_feat': 4, 'num_group': 1, 'num_block': 1, 'upscale': 2, 'rgb_mean': 0.0}
    assert run_test([{'name': 'Flat', 'dataroot_gt': str(folder)}], network_g=network) == 0

    text = (tmp_path / 'results/run/metrics.json').read_text()
    json.loads(text, parse_constant=lambda name: pytest.fail(f'{name} is no JSON'))
    assert read_results(tmp_path / 'results/run').sets[0].mean['psnr_y'] == float('inf')
