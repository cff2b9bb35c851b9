"""Batches on their way to the training loop: errors arrive, epochs are whole, threads end, streams wait."""

import multiprocessing
import os
import random
import signal
import sys
import threading
from pathlib import Path

import pytest
import torch
from basicsr.data.prefetch_dataloader import PrefetchDataLoader

from bsr_plugin.data.uint8_images import UInt8Images
from bsr_plugin.errors import InputError
from bsr_plugin.toolbox.prefetch import CPUPrefetcher, CUDAPrefetcher
from bsr_plugin.toolbox.sampler import ResumableSampler

ROOT = Path(__file__).resolve().parents[2]


def within(seconds, action):
    """Calls ``action`` in a thread, so that what hangs fails."""
    results = []
    thread = threading.Thread(target=lambda: results.append(action()), daemon=True)
    thread.start()
    thread.join(seconds)
    assert results, f'no answer in {seconds} s'
    return results[0]


class Counting(torch.utils.data.Dataset):
    """Item i is i; one item may raise."""

    def __init__(self, length, broken=None):
        self.length, self.broken = length, broken

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        if index == self.broken:
            raise InputError(f'{index}.png is broken')
        return {'index': index}


def prefetched(mode, dataset, **settings):
    if mode == 'cpu':
        return CPUPrefetcher(PrefetchDataLoader(1, dataset=dataset, **settings))
    return CUDAPrefetcher(torch.utils.data.DataLoader(dataset, **settings), {'num_gpu': 0})


def batches_and_error(prefetcher):
    found = []
    try:
        while (batch := prefetcher.next()) is not None:
            found.append(int(batch['index']))
    except InputError as error:
        return found, str(error).splitlines()[-1]
    return found, None


@pytest.mark.parametrize('workers', [0, 1])
def test_error_of_a_data_set_reaches_the_training_loop(workers):
    prefetcher = prefetched('cpu', Counting(6, broken=2), num_workers=workers)
    prefetcher.reset()
    for expected in ([0, 1], []):  # asked again, it raises again
        found, error = within(60, lambda: batches_and_error(prefetcher))
        assert found == expected
        assert error.endswith('2.png is broken')


@pytest.mark.parametrize('mode', ['cpu', 'cuda'])
@pytest.mark.parametrize('persistent', [False, True])
def test_every_epoch_is_whole_and_the_one_before_has_ended(mode, persistent):
    before = set(threading.enumerate())
    prefetcher = prefetched(mode, Counting(20), num_workers=1, persistent_workers=persistent)

    def epoch():
        prefetcher.reset()
        return batches_and_error(prefetcher)

    for _ in range(3):
        assert within(60, epoch) == (list(range(20)), None)
    assert not [thread for thread in set(threading.enumerate()) - before if 'ThreadPool' in thread.name]


def test_nothing_is_drawn_before_an_epoch_begins():
    drawn = []

    class Noting(Counting):
        def __getitem__(self, index):
            drawn.append(index)
            return super().__getitem__(index)

    prefetcher = prefetched('cpu', Noting(3))
    assert prefetcher.next() is None
    assert drawn == []
    prefetcher.reset()
    assert batches_and_error(prefetcher) == ([0, 1, 2], None)


def test_no_worker_is_started_for_an_epoch_with_nothing_left():
    sampler = ResumableSampler(Counting(4), 1, 0)
    loader = torch.utils.data.DataLoader(Counting(4), 2, sampler=sampler, num_workers=1)
    sampler.plan(2, 2)
    prefetcher = CPUPrefetcher(loader)
    sampler.set_epoch(1)
    before = set(multiprocessing.active_children())
    prefetcher.reset()
    assert set(multiprocessing.active_children()) == before
    assert prefetcher.next() is None


class Signals(torch.utils.data.Dataset):
    """Item i is the process that reads it, the signals that it ignores, and its seed."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        ignores = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        return {'told': torch.tensor([os.getpid(), ignores, random.randrange(1000)])}


def test_workers_ignore_the_signals_that_stop_the_training_and_are_set_up_by_the_toolbox():
    prefetcher = CPUPrefetcher(torch.utils.data.DataLoader(Signals(), num_workers=1, worker_init_fn=random.seed))
    prefetcher.reset()
    ((process, ignores, drawn),) = prefetcher.next()['told'].tolist()
    assert process != os.getpid()
    assert ignores
    assert drawn == random.Random(0).randrange(1000)


def test_an_epoch_begins_with_signals_blocked():
    seen = []

    class Loader(torch.utils.data.DataLoader):
        def __iter__(self):
            seen.append(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
            return super().__iter__()

    CPUPrefetcher(Loader(Signals())).reset()
    assert {signal.SIGINT, signal.SIGTERM} <= seen[0]
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


LEAVES_AN_EPOCH = """
import builtins, sys

if __name__ == '__main__':
    from torch.utils.data import DataLoader
    from bsr_plugin.toolbox.prefetch import CPUPrefetcher

    loader = DataLoader([{'index': 1}] * 9, num_workers=1, multiprocessing_context=sys.argv[1])
    builtins.kept = CPUPrefetcher(loader)  # as a traceback keeps it
    kept.reset()
    print(kept.next())
"""


@pytest.mark.slow
@pytest.mark.parametrize('context', ['fork', 'spawn', 'forkserver'])
def test_a_program_that_ends_in_the_middle_of_an_epoch_ends_its_workers(programs, tmp_path, context):
    (tmp_path / 'leaves.py').write_text(LEAVES_AN_EPOCH)
    done = programs.run([sys.executable, tmp_path / 'leaves.py', context], cwd=ROOT, timeout=400)
    assert (done.returncode, done.stdout) == (0, "{'index': tensor([1])}\n"), done.stderr


class FakeStream:
    """A stream that writes down what it is told."""

    def __init__(self, name, calls):
        self.name, self.calls = name, calls

    def wait_stream(self, other):
        self.calls.append(f'{self.name} waits for {other.name}')

    def __enter__(self):
        self.calls.append(f'on {self.name}')

    def __exit__(self, *_):
        self.calls.append(f'off {self.name}')


class FakeCUDATensor(torch.Tensor):
    """A tensor in main memory that answers to ``.to('cuda')`` and ``record_stream``."""

    calls: list

    def to(self, *words, **settings):
        if words == ('cuda',):
            assert settings == {'non_blocking': True}
            self.calls.append('copy')
            return self
        return super().to(*words, **settings)

    def record_stream(self, stream):
        self.calls.append(f'{stream.name} uses it')


@pytest.fixture
def calls(monkeypatch):
    """What happens on the streams of a GPU that is not there."""
    calls = FakeCUDATensor.calls = []
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'Stream', lambda: FakeStream('side', calls))
    monkeypatch.setattr(torch.cuda, 'current_stream', lambda: FakeStream('training', calls))
    monkeypatch.setattr(torch.cuda, 'stream', lambda stream: stream)
    return calls


class OnGPU(torch.utils.data.Dataset):
    """Three images of uint8; reading the last may fail."""

    def __init__(self, broken=False):
        self.broken = broken

    def __len__(self):
        return 3

    def __getitem__(self, index):
        if self.broken and index == 2:
            raise InputError('2.png is broken')
        image = torch.full((1, 3, 4, 4), 51 * index, dtype=torch.uint8).as_subclass(FakeCUDATensor)
        return {'lq': UInt8Images(image), 'lq_path': [f'{index}.png']}


def on_gpu(dataset, **opt):
    loader = torch.utils.data.DataLoader(dataset, batch_size=None)
    return CUDAPrefetcher(loader, {'num_gpu': 1, 'model_type': 'BSRModel', 'train': {'channels_last': True}, **opt})


def test_training_waits_for_the_copy_and_its_memory_is_kept_until_training_is_done(calls):
    prefetcher = on_gpu(OnGPU())
    prefetcher.reset()
    assert calls == ['on side', 'copy', 'off side']
    calls.clear()
    batch = prefetcher.next()
    assert calls == ['training waits for side', 'training uses it', 'on side', 'copy', 'off side']
    assert batch['lq'].dtype == torch.float32
    assert batch['lq'].is_contiguous(memory_format=torch.channels_last)
    assert prefetcher.next()['lq'][0, 0, 0, 0] == pytest.approx(0.2)
    assert prefetcher.next()['lq_path'] == ['2.png']
    assert prefetcher.next() is None


def test_the_stock_engine_gets_contiguous_floats(calls):
    prefetcher = on_gpu(OnGPU(), model_type='SRModel')
    prefetcher.reset()
    image = prefetcher.next()['lq']
    assert image.dtype == torch.float32
    assert image.is_contiguous()


def test_an_error_comes_after_the_batches_that_were_copied_before_it(calls):
    prefetcher = on_gpu(OnGPU(broken=True))
    prefetcher.reset()
    assert [prefetcher.next()['lq_path'] for _ in range(2)] == [['0.png'], ['1.png']]
    for _ in range(2):
        with pytest.raises(InputError, match=r'2\.png is broken'):
            prefetcher.next()
