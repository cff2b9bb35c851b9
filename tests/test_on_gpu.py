"""The command for machines with a GPU, as far as a machine without one can tell."""

import json
import subprocess
import sys
import zipfile
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from bsr_plugin.bench.data import DataFigures
from bsr_plugin.bench.engines import ENGINES
from bsr_plugin.bench.train import TrainFigures

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture
def on_gpu(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, 'path', [*sys.path])
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import on_gpu

    monkeypatch.setattr(on_gpu, 'OUT', tmp_path / 'gpu')
    return on_gpu


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU: make gpu would begin')
def test_without_a_gpu_it_says_so_in_one_line_and_exits_2():
    words = [sys.executable, 'tests/on_gpu.py']
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stdout == ''
    assert done.stderr == (
        f'make gpu: torch {torch.__version__} finds no GPU here: run it on a machine that has one.\n'
    )


def test_missing_packages_are_named_and_wheels_bring_them(on_gpu, monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(on_gpu.PACKAGES, 'brought_along', 'brought-along')
    assert on_gpu.main([]) == 2
    assert ' has no brought-along: put the wheels into a folder' in capsys.readouterr().err
    assert on_gpu.main(['--wheels', str(tmp_path)]) == 2
    assert f'{tmp_path} holds no wheel' in capsys.readouterr().err

    with zipfile.ZipFile(tmp_path / 'brought_along-1.0-py3-none-any.whl', 'w') as wheel:
        wheel.writestr('brought_along.py', '')
        about = 'brought_along-1.0.dist-info'
        wheel.writestr(f'{about}/METADATA', 'Metadata-Version: 2.1\nName: brought-along\nVersion: 1.0\n')
        wheel.writestr(f'{about}/WHEEL', 'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n')
        wheel.writestr(f'{about}/RECORD', '')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    on_gpu.OUT.mkdir(exist_ok=True)
    assert on_gpu.unfit(tmp_path) == ''


def test_a_step_that_fails_or_overruns_is_told_and_leaves_no_old_figures(on_gpu, monkeypatch, tmp_path, capsys):
    figures = tmp_path / 'figures.json'
    monkeypatch.setattr(on_gpu, 'unfit', lambda wheels: '')
    monkeypatch.setattr(on_gpu, 'table', lambda folder: 'the table')
    program = 'import sys, time; open(sys.argv[2], "x"); {}'
    steps = {
        'good': (['-c', program.format('pass'), '--json', str(figures)], 60),
        'bad': (['-c', program.format('sys.exit(3)'), '--json', str(figures)], 60),
        'slow': (['-c', 'import time; time.sleep(600)', '--json', str(figures)], 0.5),
    }
    monkeypatch.setattr(on_gpu, 'STEPS', steps)
    assert on_gpu.main(['--only', 'good']) == 0
    assert figures.exists()
    assert on_gpu.main(['--only', 'good', 'bad', 'slow']) == 1
    assert not figures.exists()
    printed = capsys.readouterr()
    assert 'stopped after 0.5 s' in printed.out
    assert 'the table' in printed.out
    assert printed.err == 'make gpu: failed or out of time: bad, slow.\n'


def test_the_table_shows_what_the_steps_left(on_gpu, tmp_path):
    (tmp_path / 'tests.xml').write_text(
        '<testsuites><testsuite tests="31" failures="1" errors="2" skipped="0" time="12.5"/></testsuites>'
    )
    titles = {name: ENGINES[name].title for name in ('stock', 'bsr')}
    train = TrainFigures('cuda', 'a setting', 100, titles)
    train.iterations_per_s, train.times_stock = {'stock': 4.0, 'bsr': 20.0}, {'stock': 1.0, 'bsr': 5.1}
    train.loss_difference, train.peak_memory_mb = {'stock': 0.0, 'bsr': -0.0125}, {'stock': 9000.0, 'bsr': 4000.0}
    train.matrix_gmacs_per_s = {'TF32': 123456.7}
    train.networks = {'RCAN': {'gmacs_per_iteration': 1.0, 'stock': 2.0, 'bsr': 5.0}}
    (tmp_path / 'train.json').write_text(json.dumps(asdict(train)))
    data = DataFigures(patches_per_s={'stock': 100.0, 'rfs': 5200.0})
    (tmp_path / 'data.json').write_text(json.dumps(asdict(data)))
    lines = on_gpu.table(tmp_path).splitlines()
    assert lines[:2] == ['| what | figure | x stock | loss to float32 | MB |', '| --- | --- | --- | --- | --- |']
    assert f'| torch | {torch.__version__} |  |  |  |' in lines
    assert lines[-7:] == [
        '| tests marked gpu | 31, of which 3 failed, in 12.5 s |  |  |  |',
        '| BSRNet, it/s: SRModel, float32 | 4.00 | 1.00 | +0.00% | 9,000 |',
        '| BSRNet, it/s: bf16, channels_last, fused, uint8 | 20.00 | 5.10 | -1.25% | 4,000 |',
        '| RCAN, it/s: BSRModel | 5.00 | 2.50 |  |  |',
        '| matrix product, GMAC/s: TF32 | 123,457 |  |  |  |',
        '| patches per second: stock | 100 | 1.0 |  |  |',
        '| patches per second: rfs | 5,200 | 52.0 |  |  |',
    ]
