import json

import cv2
import numpy as np
import pytest

from bsr_plugin.bench import data
from bsr_plugin.bench.data import DataSetting, measure_data
from bsr_plugin.bench.data_stores import sub_image_stores, tiled_stores
from bsr_plugin.cli import main
from bsr_plugin.data.degradation import degrade
from bsr_plugin.data.store import LMDBStore
from bsr_plugin.errors import InputError

FURTHER = ['half', 'annealed', 'stratified', 'importance', 'spread', 'band', 'residual']
KINDS = ['stock', 'uniform', 'rfs', *FURTHER, 'rejection_q999', 'rejection']


@pytest.fixture(scope='module')
def photographs(tmp_path_factory):
    """Textured images, one large enough for sub-images."""
    folder = tmp_path_factory.mktemp('photographs')
    rng = np.random.default_rng(0)
    for name, (height, width) in {'large': (490, 730), 'small': (70, 90), 'tiny': (60, 33)}.items():
        coarse = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3)).astype(np.uint8)
        image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f'{name}.png'), image)
    return folder


def test_stock_reads_sub_images_as_its_documentation_cuts_them(photographs, tmp_path):
    hr_path, lr_path = sub_image_stores(photographs, tmp_path, 3)
    hr, lr = LMDBStore(hr_path), LMDBStore(lr_path)
    # 490 x 730 is cut to 489 x 729: corners every 240 pixels, the last flush with the end, rows times columns.
    assert hr.names == [*(f'large_s{number:03d}' for number in range(6)), 'small', 'tiny']
    assert hr.sizes.tolist() == [[480, 480]] * 6 + [[69, 90], [60, 33]]
    assert (lr.sizes * 3).tolist() == hr.sizes.tolist()
    assert {entry.level for entry in hr.entries} == {'1'}
    whole = cv2.imread(str(photographs / 'large.png'))[:489, :729]
    np.testing.assert_array_equal(hr.image(5), whole[9:489, 249:729])
    np.testing.assert_array_equal(lr.image(5), degrade(whole, 3, 'bicubic')[3:163, 83:243])


def test_tiles_all_differ_and_keep_their_degradation(photographs, tmp_path):
    hr_path, lr_path = tiled_stores(photographs, tmp_path, 2, 9, 48)
    hr, lr = LMDBStore(hr_path), LMDBStore(lr_path)
    assert hr.sizes.tolist() == [[48, 48]] * 9
    assert len({hr.image(position).tobytes() for position in range(9)}) == 9
    for position in range(9):
        np.testing.assert_array_equal(lr.image(position), degrade(hr.image(position).copy(), 2, 'bicubic'))


def test_tiles_need_an_image_of_their_size(photographs, tmp_path):
    with pytest.raises(InputError, match='no image of 600 pixels or more'):
        tiled_stores(photographs, tmp_path, 2, 3, 600)


def test_ratios_are_those_of_rates_of_the_same_round(photographs, tmp_path, monkeypatch):
    """A machine that gets slower by the round slows all kinds; ratios do not show it."""
    rates = {'stock': 10.0, 'uniform': 400.0, 'rfs': 300.0, **dict.fromkeys(FURTHER, 200.0)}
    rates |= {'rejection_q999': 8.0, 'rejection': 4.0}
    calls = []

    def draw(batches, batch, seconds):
        calls.append(seconds)
        kinds = list(rates)
        turn = max(0, len(calls) - 1 - len(kinds))
        slowness = 1 + turn // (len(kinds) * data.TURNS)
        return round(rates[kinds[(len(calls) - 1) % len(kinds)]] * 1000), 1000.0 * slowness

    monkeypatch.setattr(data, '_draw', draw)
    monkeypatch.setattr(data, '_compare_counts', lambda *_: None)
    figures = measure_data(DataSetting(photographs, 2, 12, batch=4, bins=4, seconds=1.0), tmp_path)
    assert list(figures.patches_per_s) == KINDS
    assert figures.patches_per_s['rfs'] == pytest.approx(300 / 3)  # the median of 1, 2, 3, 4 and 5 times as slow
    assert figures.ratios == pytest.approx(
        {'rfs/uniform': 0.75, 'rfs/stock': 30, 'uniform/stock': 40, 'rfs/rejection': 75}
        | {f'{kind}/uniform': 0.5 for kind in FURTHER}
    )
    assert len(calls) == 12 + 12 * 5 * data.TURNS
    assert sum(calls[12:]) == pytest.approx(12 * 5 * 1.0)


@pytest.mark.slow
def test_the_command_measures_everything(photographs, tmp_path, capsys):
    path = tmp_path / 'figures.json'
    words = [
        '--scale',
        '2',
        '--lr-window',
        '12',
        '--batch',
        '4',
        '--bins',
        '4',
        '--seconds',
        '0.02',
        '--counts',
        '3',
        '6',
    ]
    assert main(['bench', 'data', '--images', str(photographs), *words, '--json', str(path)]) == 0
    figures = json.loads(path.read_text())
    assert set(figures['patches_per_s']) == set(KINDS)
    assert min(figures['patches_per_s'].values()) > 0
    # The slowest kind throws most of its crops away; the fastest decodes nothing.
    assert figures['patches_per_s']['rfs'] > figures['patches_per_s']['rejection']
    assert 1 < figures['index']['bytes_per_window'] < 4
    assert figures['index']['open_s'] > 0
    printed = capsys.readouterr().out
    assert 'RFSPairedImageDataset, rejection, full PIC range' in printed
    assert f'{figures["patches_per_s"]["rfs"]:,.0f}' in printed
