import json
import os
from pathlib import Path

import pytest
import torch
import yaml

from bsr_plugin import __version__
from bsr_plugin.bench import fast_here
from bsr_plugin.bench.engines import ENGINES
from bsr_plugin.bench.fast_here import recommended
from bsr_plugin.bench.hardware import hardware, read_cpuinfo, read_meminfo, versions
from bsr_plugin.cli import main
from bsr_plugin.options.run import Train

CPUINFO = """processor\t: 0
model name\t: Some Processor @ 2.00GHz
flags\t\t: fpu avx2 avx512f avx512_bf16

processor\t: 1
model name\t: Another
flags\t\t: fpu amx_bf16
"""


def test_the_first_processor_of_linux_is_read():
    assert read_cpuinfo(CPUINFO) == ('Some Processor @ 2.00GHz', {'fpu', 'avx2', 'avx512f', 'avx512_bf16'})
    assert read_cpuinfo('') == ('', frozenset())
    assert read_meminfo('MemTotal:       1000 kB\nMemAvailable:    250 kB\n') == {
        'MemTotal': 1_024_000,
        'MemAvailable': 256_000,
    }


def test_the_machine_is_told_as_python_and_torch_see_it(tmp_path):
    found = hardware(tmp_path)
    disk = os.statvfs(tmp_path)
    assert found['disk_free'] == pytest.approx(disk.f_bavail * disk.f_frsize, rel=0.05)
    assert found['cores'] == len(os.sched_getaffinity(0))
    assert found['features']['AVX-512'] == (' avx512f' in Path('/proc/cpuinfo').read_text())
    assert found['memory'] == os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
    assert 0 < found['memory_free'] <= found['memory']
    assert len(found['gpus']) == torch.cuda.device_count()
    assert versions()['bsr_plugin'] == __version__
    assert versions()['torch'] == torch.__version__


@pytest.mark.parametrize(
    ('seconds', 'best'),
    [
        ({'float32': 1.0, 'channels_last': 0.8, 'bsr': 0.5}, 'bsr'),
        ({'float32': 1.0, 'channels_last': 0.8, 'bsr': 0.79}, 'channels_last'),
        ({'float32': 1.0, 'channels_last': 1.2, 'bf16': 5.0}, 'float32'),
        ({'float32': 1.0, 'channels_last': 0.99, 'bf16': 0.98}, 'float32'),
    ],
)
def test_only_switches_that_are_worth_it_are_recommended(seconds, best):
    assert recommended(ENGINES, seconds) == best


def test_without_measuring_it_says_what_there_is_at_once(tmp_path, capsys):
    assert main(['info', '--no-measuring', '--json', str(tmp_path / 'info.json')]) == 0
    printed = capsys.readouterr().out
    assert f'bsr_plugin     {__version__}' in printed
    found = json.loads((tmp_path / 'info.json').read_text())
    assert set(found) == {'versions', 'hardware', 'machine'}
    assert f'{found["hardware"]["memory"] / 1e9:.1f} GB' in printed


@pytest.mark.slow
def test_the_lines_it_prints_are_those_of_the_engine_it_measured_as_the_fastest(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(fast_here, 'NETWORK', {**fast_here.NETWORK, 'num_feat': 8, 'num_block': 1})
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    assert main(['info', '--json', str(tmp_path / 'info.json')]) == 0
    printed = capsys.readouterr().out
    (measured,) = json.loads((tmp_path / 'info.json').read_text())['fast_here']
    assert measured['device'] == 'cpu'
    assert {'float32', 'channels_last', 'bsr'} <= set(measured['seconds'])
    assert all(seconds > 0 for seconds in measured['seconds'].values())
    assert measured['patches_per_s'] > 0
    pasted = yaml.safe_load(printed.partition('For option files:')[2])
    assert {key: value for key, value in pasted['train'].items() if value} == measured['train']
    assert set(pasted['train']) <= set(Train.model_fields)
    assert ('datasets' in pasted) == measured['uint8']
