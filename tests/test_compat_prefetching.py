"""The toolbox's prefetchers with the repairs of compat.py: errors arrive, epochs are whole, threads end."""

import threading
from functools import partial

import pytest
import torch

import bsr_plugin  # noqa: F401  # repairs the toolbox
from bsr_plugin.errors import InputError


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
    from basicsr.data import prefetch_dataloader as module
    from basicsr.data import worker_init_fn

    settings['worker_init_fn'] = partial(worker_init_fn, num_workers=1, rank=0, seed=0)  # as build_dataloader does
    if mode == 'cpu':
        return module.CPUPrefetcher(module.PrefetchDataLoader(1, dataset=dataset, **settings))
    return module.CUDAPrefetcher(torch.utils.data.DataLoader(dataset, **settings), {'num_gpu': 0})


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
    assert not [
        thread for thread in set(threading.enumerate()) - before if type(thread).__name__ == 'PrefetchGenerator'
    ]
