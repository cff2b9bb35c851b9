import multiprocessing
import multiprocessing.forkserver
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from torch.utils.data import DataLoader, Dataset

from bsr_plugin.models.failures import Interrupted
from bsr_plugin.models.stopping import StopRequest, ignore_stop_signals, stop_signals_blocked


@pytest.fixture
def request_():
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    stop = StopRequest()
    yield stop
    for number, handler in previous.items():
        signal.signal(number, handler)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_remembered_and_announced(request_, number, capfd):
    assert request_.signal_number == 0
    request_.listen()
    os.kill(os.getpid(), number)
    assert request_.signal_number == number
    assert f'{number.name}: finishing this iteration and saving.' in capfd.readouterr().err


def test_building_a_request_changes_no_handler(request_):
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_further_sigterms_change_nothing(request_):
    request_.listen()
    for _ in range(3):
        os.kill(os.getpid(), signal.SIGTERM)
    assert request_.signal_number == signal.SIGTERM


def test_off_the_main_thread_signals_keep_their_meaning(request_):
    thread = threading.Thread(target=request_.listen)
    thread.start()
    thread.join(60)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    request_.listen()
    assert signal.getsignal(signal.SIGTERM) != signal.SIG_DFL


def test_the_second_ctrl_c_quits_at_once():
    program = """
        import os, signal, time
        from bsr_plugin.models.stopping import StopRequest
        stop = StopRequest()
        stop.listen()
        os.kill(os.getpid(), signal.SIGINT)
        print(stop.signal_number, flush=True)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)
    """
    done = subprocess.run([sys.executable, '-c', textwrap.dedent(program)], capture_output=True, text=True, timeout=50)
    assert done.stdout == '2\n'
    assert done.returncode == -signal.SIGINT
    assert 'Press Ctrl-C again to quit at once.' in done.stderr


@pytest.mark.parametrize(('number', 'status'), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_exit_status_is_the_shells(number, status):
    assert Interrupted(number).code == status
    assert Interrupted(number).signal_name == number.name


class Slow(Dataset):
    def __len__(self):
        return 40

    def __getitem__(self, index):
        time.sleep(0.01)
        return index


@pytest.fixture
def new_fork_server(monkeypatch):
    """One of this test alone: a fork server gives its workers the signals that were blocked when it was started."""
    server = multiprocessing.forkserver._forkserver
    monkeypatch.setattr(server, '_preload_modules', [])
    server._stop()
    yield
    server._stop()


@pytest.mark.parametrize('context', ['fork', 'spawn', 'forkserver'])
def test_workers_outlive_the_signals_of_the_whole_job_and_end_with_their_loader(context, request):
    if context == 'forkserver':
        request.getfixturevalue('new_fork_server')
    loader = DataLoader(
        Slow(),
        batch_size=2,
        num_workers=2,
        worker_init_fn=ignore_stop_signals,
        multiprocessing_context=context,
        prefetch_factor=1,
    )
    others = set(multiprocessing.active_children())
    with stop_signals_blocked():
        iterator = iter(loader)
    # At once, when the workers have hardly begun.
    workers = [child.pid for child in multiprocessing.active_children() if child not in others]
    assert len(workers) == 2
    for number in (signal.SIGINT, signal.SIGTERM):
        for worker in workers:
            subprocess.run(['kill', f'-{number}', str(worker)], check=True)
    batches = list(iterator)
    assert len(batches) == 20
    del iterator
    left = [child for child in multiprocessing.active_children() if child.pid in workers]
    for child in left:  # on a busy machine they take their time
        child.join(60)
    assert [child.exitcode for child in left] == [0] * len(left)


def test_a_worker_ends_at_the_word_of_its_parent_alone():
    process = multiprocessing.get_context('fork').Process(target=lambda: (ignore_stop_signals(), time.sleep(60)))
    process.start()
    time.sleep(0.3)
    subprocess.run(['kill', '-TERM', str(process.pid)], check=True)
    process.join(0.5)
    assert process.is_alive()
    process.terminate()
    process.join(10)
    assert process.exitcode == 0
