"""The order of a study's processes, with processes that only pretend."""

import os
import signal
from pathlib import Path

import pytest
import yaml

from bsr_plugin.study import running
from bsr_plugin.study.folder import CellFolder
from bsr_plugin.study.progress import Progress
from bsr_plugin.study.running import Runner
from bsr_plugin.study.slots import Slot


@pytest.fixture
def folders(plan, tmp_path):
    return [CellFolder(tmp_path / 'out', cell) for cell in plan.cells]


@pytest.fixture
def run(monkeypatch, folders):
    """Runs a study on two slots; ``does(phase, run's name, option file)`` pretends a process and gives its status."""
    monkeypatch.setattr(running, '_POLL_SECONDS', 0)

    def start(does, chosen=folders, finished=lambda: None):
        class Pretended:
            def __init__(self, phase, words, folder, output, slot):
                self.started = phase, '/'.join(folder.parts[-2:]), Path(words[words.index('-opt') + 1]).name
                history.append((*self.started, *words[2:]))
                self.asked = None

            def status(self):
                return self.asked if self.asked is not None else does(*self.started)

            def stop(self):
                self.asked = 143

            def kill(self):
                self.asked = -9

            def iteration(self):
                return 7

            def last_line(self):
                return 'the last line.'

        history = []
        monkeypatch.setattr(running, 'Process', Pretended)
        progress = Progress(chosen)
        outcome = Runner(chosen, [Slot(0, 0, {}), Slot(1, 1, {})], progress, finished).run()
        progress.close()
        return outcome, history

    return start


def test_a_run_is_trained_then_tested_then_declared_done(run, folders, results):
    def does(phase, name, file):
        if phase == 'test':
            results(folders[0])
        return 0

    told = []
    outcome, history = run(does, folders[:1], lambda: told.append(folders[0].is_done()))
    assert history == [('train', 'rfs/1', 'train.yml', '--auto_resume'), ('test', 'rfs/1', 'test.yml')]
    assert (outcome.failures, outcome.signal_number, told) == ([], 0, [True])


def test_a_run_that_fails_is_named_and_the_others_go_on(run, folders, results):
    def does(phase, name, file):
        if name == 'uniform/1':
            return 1
        if phase == 'test':
            results(next(folder for folder in folders if folder.path.parts[-2:] == tuple(name.split('/'))))
        return 0

    outcome, _ = run(does)
    assert outcome.failures == [f'uniform, seed 1 failed: the last line (see {folders[1].output}).']
    assert [folder.is_done() for folder in folders] == [True, False, True, True]


def test_a_process_that_a_signal_ended_is_told_as_such(run, folders):
    outcome, _ = run(lambda *_: -9, folders[:1])
    assert outcome.failures == [f'rfs, seed 1 failed: SIGKILL ended it (see {folders[0].output}).']


def test_a_test_that_left_something_out_is_a_failure(run, folders, results):
    def does(phase, name, file):
        if phase == 'test':
            results(folders[0], names=['First'])
        return 0

    outcome, _ = run(does, folders[:1])
    assert outcome.failures == [f'rfs, seed 1 failed: Second was not measured (see {folders[0].output}).']
    assert not folders[0].is_done()


def test_a_lost_validation_is_made_first(run, folders, results, checkpoint_at, validations):
    folder = folders[0]
    folder.write_options()
    checkpoint_at(folder, 20)
    validations(folder, [10])
    tested = {}

    def does(phase, name, file):
        options = yaml.unsafe_load((folder.path / file).read_text())
        if phase == 'test':
            tested[file] = Path(options['path']['pretrain_network_g']).name
            results(folder, psnr=31.0, where=folder.results.with_name(options['name']))
        return 0

    _, history = run(does, [folder])
    assert [entry[:3] for entry in history] == [
        ('test', 'rfs/1', 'validation.yml'), ('train', 'rfs/1', 'train.yml'), ('test', 'rfs/1', 'test.yml'),
    ]  # fmt: skip
    assert tested == {'validation.yml': 'net_g_20.pth', 'test.yml': 'net_g_latest.pth'}
    assert folder.curves()['First', 'psnr_y'][20] == 31.0
    assert not (folder.path / 'validation.yml').exists()
    assert folder.is_done()


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_passed_on_and_nothing_new_begins(run, folders, number):
    before = signal.getsignal(number)

    def does(phase, name, file):
        os.kill(os.getpid(), number)

    outcome, history = run(does)
    assert (outcome.signal_number, outcome.failures) == (number, [])
    assert [entry[:2] for entry in history] == [('train', 'rfs/1'), ('train', 'uniform/1')]
    assert not any(folder.is_done() for folder in folders)
    assert signal.getsignal(number) == before
