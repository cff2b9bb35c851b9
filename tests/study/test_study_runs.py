"""A real study, killed again and again."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from programs import BSR

from bsr_plugin.cli import main

REPOSITORY = Path(__file__).parents[2]
TABLES = ('tables.md', 'tables.csv', 'tables.tex')

# On a busy machine a process takes a minute to start.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


class Command:
    """``bsr study`` in a process of its own, forked where an interpreter that begins at nothing is not asked for."""

    def __init__(self, programs, file, out, begins_at_nothing=False):
        self.out, self._programs = out, programs
        environment = {**os.environ, 'PYTHONPATH': str(REPOSITORY), 'OMP_NUM_THREADS': '1'}
        words = ['study', file, '--out', out, '--jobs', '2']
        if begins_at_nothing:
            command = [sys.executable, '-m', 'bsr_plugin', *words]
            pipes = {'stdout': subprocess.PIPE, 'stderr': subprocess.STDOUT}
            self.process = programs.start(command, environment, cwd=file.parent, **pipes)
        else:
            self.process = programs.fork([BSR, *words], environment, cwd=file.parent)

    def wait_for(self, pattern, count=1, seconds=400):
        """Waits, closely, until so many files are there."""
        end = time.monotonic() + seconds
        while len(list(self.out.glob(pattern))) < count:
            assert self.process.poll() is None, self.process.stdout.read()
            assert time.monotonic() < end, pattern
            time.sleep(0.005)

    def finish(self):
        output, _ = self._programs.finish(self.process, 400)
        return self.process.returncode, output

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def runs(self):
        """Its training and test processes: heads of sessions that have a file of a run open."""
        begin = f'{self.out}/runs/'
        return [
            pid
            for pid in _session_heads()
            if pid != self.process.pid and any(name.startswith(begin) for name in _open_files(pid))
        ]


def _session_heads():
    for folder in Path('/proc').glob('[0-9]*'):
        with suppress(OSError):
            if os.getsid(int(folder.name)) == int(folder.name):
                yield int(folder.name)


def _open_files(pid):
    with suppress(OSError):  # where it has just ended
        for file in Path(f'/proc/{pid}/fd').iterdir():
            with suppress(OSError):  # where it has just closed that one
                yield str(file.readlink())


def ends(pid, seconds=20):
    """Whether a process ends by itself; one that its new parent has not asked for has ended, too."""
    for _ in range(int(seconds / 0.05)):
        try:
            state = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state in 'ZX':
            return True
        time.sleep(0.05)
    return False


def quality(out):
    """study.json without times, and the tables, byte by byte."""
    content = json.loads((out / 'study.json').read_text())
    del content['times']
    return content, [(out / name).read_bytes() for name in TABLES]


def test_a_study_killed_five_times_ends_with_the_tables_of_an_uninterrupted_one(study_file, tmp_path, programs):
    file, killed, undisturbed = study_file(), tmp_path / 'killed', tmp_path / 'undisturbed'
    status, output = Command(programs, file, undisturbed, begins_at_nothing=True).finish()
    assert status == 0, output

    study = Command(programs, file, killed)
    study.wait_for('runs/*/1/experiments/*/training_states/10.state')
    # In the validation that follows the checkpoint; the other run goes on.
    os.kill(study.runs()[0], signal.SIGKILL)
    study.wait_for('runs/*/2/experiments/*/training_states/10.state')
    survivors = study.runs()
    study.kill()
    assert survivors
    assert all(map(ends, survivors))

    study = Command(programs, file, killed)
    study.wait_for('runs/*/?/results/*/metrics.json')
    study.kill()
    study = Command(programs, file, killed)
    study.wait_for('runs/*/?/record.json', 3)
    last = study.runs()
    for pid in last:
        os.kill(pid, signal.SIGKILL)
    status, output = study.finish()
    assert status == (1 if last else 0), output
    status, output = Command(programs, file, killed).finish()
    assert status == 0, output
    assert quality(killed) == quality(undisturbed)
    before = quality(killed)
    assert main(['study', str(file), '--out', str(killed)]) == 0
    assert quality(killed) == before


def test_a_run_that_fails_is_reported_and_a_signal_saves(study_file, tmp_path, programs):
    broken = {'train': {'optim_g': {'lr': 1e30}}}
    file, out = study_file(seeds=[3], variants={'uniform': None, 'broken': broken}), tmp_path / 'out'
    study = Command(programs, file, out)
    study.wait_for('runs/uniform/3/experiments/*/training_states/5.state')
    assert {len(os.sched_getaffinity(pid)) for pid in study.runs()} == {1}
    study.process.send_signal(signal.SIGTERM)
    status, output = study.finish()
    assert status == 143, output
    status, output = Command(programs, file, out).finish()
    assert status == 1, output
    assert output.count('Traceback') == 0
    assert 'broken, seed 3 failed: train.py: stopped: iteration 2: ' in output
    assert json.loads((out / 'study.json').read_text())['done'] == 1


def test_equal_seconds_with_the_stock_engine_survive_a_kill(study_file, pictures, tmp_path, programs):
    folders = {
        'dataroot_gt': str(pictures / 'HR'),
        'dataroot_lq': str(pictures / 'LR'),
        'io_backend': {'type': 'disk'},
    }
    loading = {'num_worker_per_gpu': 0, 'batch_size_per_gpu': 4, 'dataset_enlarge_ratio': 50}
    flips = {'use_hflip': True, 'use_rot': True}
    stock = {
        'model_type': 'SRModel',
        'datasets': {
            'train': {'name': 'Train', 'type': 'PairedImageDataset', 'gt_size': 24, **folders, **loading, **flips}
        },
        'network_g': {'type': 'EDSR', 'num_in_ch': 3, 'num_out_ch': 3, 'num_feat': 8, 'num_block': 2, 'upscale': 2},
        'train': {'pixel_opt': {'type': 'L1Loss', 'loss_weight': 1.0, 'reduction': 'mean'}},
    }
    file, out = study_file(seeds=[1], seconds=6, variants={'stock': stock, 'uniform': None}), tmp_path / 'out'
    study = Command(programs, file, out)
    study.wait_for('runs/stock/1/experiments/*/training_states/10.state')
    rates = (out / 'rates.json').read_text()
    study.kill()
    # As if it had been killed while it wrote its newest state.
    states = out / 'runs/stock/1/experiments/stock_1/training_states'
    newest = max(states.iterdir(), key=lambda path: int(path.stem))
    newest.write_bytes(newest.read_bytes()[:-100])
    status, output = Command(programs, file, out).finish()
    assert status == 0, output
    assert (out / 'rates.json').read_text() == rates
    result = json.loads((out / 'study.json').read_text())
    assert result['done'] == 2
    iterations = result['budget']['iterations']['stock']
    assert result['curves']['stock']['First']['psnr_y']['iterations'] == [iterations * n // 4 for n in (1, 2, 3, 4)]
    assert f'Resuming training from epoch: 0, iter: {int(newest.stem) - 5}.' in output_of(out / 'runs/stock/1')


def output_of(folder):
    return (folder / 'output.log').read_text()


@pytest.mark.gpu
def test_runs_share_a_gpu(study_file, base, tmp_path, programs):
    file = study_file(of_base={'num_gpu': 1, 'train': {**base['train'], 'deterministic': True}})
    tables = []
    for name in ('out', 'again'):
        status, output = Command(programs, file, tmp_path / name).finish()
        assert status == 0, output
        tables.append(((tmp_path / name / 'tables.csv').read_text(), (tmp_path / name / 'tables.md').read_text()))
    assert tables[0] == tables[1]
    assert json.loads((tmp_path / 'out/study.json').read_text())['done'] == 4
