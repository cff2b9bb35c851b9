"""Batches through BasicSR's own sampler, loaders and prefetchers: a pure function of seed, rank and place."""

import copy
import json
import subprocess
import sys
import threading
from collections import Counter
from math import ceil
from pathlib import Path

import pytest
import torch
from basicsr.data import build_dataloader, build_dataset
from basicsr.data.data_sampler import EnlargedSampler
from basicsr.data.prefetch_dataloader import CPUPrefetcher
from basicsr.models.base_model import BaseModel
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

import bsr_plugin
from bsr_plugin.data import rfs_paired_image_dataset, stream
from bsr_plugin.data.prepare import Preparation, prepare
from bsr_plugin.errors import InputError

EPOCHS = 3
PER_EPOCH = 4  # iterations: 5 images, three times over, in batches of 4


@pytest.fixture
def train(as_text, monkeypatch):
    """Goes through epochs as BasicSR's training loop does and gives every batch as text, by epoch."""

    def run(opt, first=0, epochs=EPOCHS, seen=0, rank=0, ranks=1, gpus=0, before=lambda: None):
        monkeypatch.setattr(rfs_paired_image_dataset, 'get_dist_info', lambda: (rank, ranks))
        dataset = build_dataset(opt)
        if seen:
            stream.resume_at(seen, opt['batch_size_per_gpu'] * max(1, gpus))
        before()
        sampler = EnlargedSampler(dataset, ranks, rank, opt['dataset_enlarge_ratio'])
        loader = build_dataloader(dataset, opt, num_gpu=gpus, dist=False, sampler=sampler, seed=0)
        prefetcher = CPUPrefetcher(loader)
        result = []
        for epoch in range(first, epochs):
            sampler.set_epoch(epoch)
            prefetcher.reset()
            result.append([])
            while (batch := prefetcher.next()) is not None:
                result[-1].append(as_text(batch))
        return result

    return run


@pytest.fixture
def expected(train, options):
    return train(options())


def flat(epochs):
    return [batch for epoch in epochs for batch in epoch]


@pytest.mark.parametrize(
    ('workers', 'persistent', 'prefetch'),
    [
        (0, False, 'cpu'),
        (1, False, None),
        (2, False, None),
        (2, True, None),
        (2, False, 'cpu'),
        (2, True, 'cpu'),
        (5, True, None),
        (5, True, 'cpu'),
    ],
)
def test_workers_and_prefetching_do_not_change_batches(train, options, expected, workers, persistent, prefetch):
    opt = options(num_worker_per_gpu=workers, persistent_workers=persistent, prefetch_mode=prefetch)
    assert train(opt) == expected


def test_an_epoch_has_the_iterations_the_toolbox_counts_on(train, options):
    for size, ratio, ranks in [(4, 3, 1), (4, 1, 1), (7, 2, 1), (3, 4, 2), (16, 1, 2), (4, 5, 3)]:
        counted = ceil(5 * ratio / (size * ranks))  # basicsr.train.create_train_val_dataloader
        for rank in range(ranks):
            opt = options(batch_size_per_gpu=size, dataset_enlarge_ratio=ratio)
            assert [len(epoch) for epoch in train(opt, epochs=2, rank=rank, ranks=ranks)] == [counted] * 2


def test_no_batch_comes_twice(train, options):
    batches = flat(train(options(), epochs=8))
    assert len(batches) == len(set(batches)) == 8 * PER_EPOCH
    # With BasicSR's own seeding the epochs would be alike; here not even two patches are.
    patches = Counter(patch for batch in batches for patch in json.loads(batch)['lq'])
    assert patches.most_common(1)[0][1] <= 3
    assert len(patches) > 0.9 * 8 * PER_EPOCH * 4


def test_ranks_share_no_batch_and_have_the_same_quotas(train, options):
    runs = [flat(train(options(), rank=rank, ranks=2)) for rank in range(2)]
    assert not set(runs[0]) & set(runs[1])
    for one, other in zip(*runs, strict=True):
        assert sorted(json.loads(one)['pic_bin']) == sorted(json.loads(other)['pic_bin'])
        assert json.loads(one)['lq'] != json.loads(other)['lq']


def test_seed_comes_from_the_run(train, options, expected):
    assert train(options(seed=8)) != expected
    torch.manual_seed(7)  # manual_seed + rank, as basicsr.utils.options does
    assert train(options(seed=None)) == expected
    other = train(options(), rank=1, ranks=2)
    torch.manual_seed(7 + 1)
    assert train(options(seed=None), rank=1, ranks=2) == other


def test_intervals_are_served_equally(train, options):
    served = Counter()
    for batch in flat(train(options(batch_size_per_gpu=6, dataset_enlarge_ratio=10), epochs=4))[:32]:
        bins = Counter(json.loads(batch)['pic_bin'])
        assert set(bins.values()) <= {1, 2}
        served.update(bins)
    assert served == dict.fromkeys(range(4), 48)


@pytest.mark.parametrize('done', range(1, EPOCHS * PER_EPOCH))
def test_a_resumed_run_goes_on_exactly(train, options, expected, done):
    epoch = (done - 1) // PER_EPOCH  # the epoch of the last iteration, which is what a training state holds
    resumed = train(options(), first=epoch, seen=done)
    assert flat(resumed) == flat(expected)[done:]
    assert resumed[-1] == expected[-1][max(0, done - (EPOCHS - 1) * PER_EPOCH) :]


@pytest.mark.parametrize(('persistent', 'prefetch'), [(False, None), (True, 'cpu')])
def test_a_resumed_run_with_workers_goes_on_exactly(train, options, expected, persistent, prefetch):
    opt = options(num_worker_per_gpu=2, persistent_workers=persistent, prefetch_mode=prefetch)
    assert flat(train(opt, first=1, seen=6)) == flat(expected)[6:]


def test_the_toolbox_says_where_a_resumed_run_is(options, train, expected):
    class Model(BaseModel):
        def __init__(self):
            self.opt = {'datasets': {'train': options()}}
            self.optimizers, self.schedulers = [], []

    opt = options()
    dataset = build_dataset(opt)
    Model().resume_training({'iter': 5, 'epoch': 1, 'optimizers': [], 'schedulers': []})
    sampler = EnlargedSampler(dataset, 1, 0, 3)
    sampler.set_epoch(1)
    assert list(sampler) == list(range(20, 32))
    # A run that is not resumed does not begin where another in this process had been.
    assert train(options()) == expected


@pytest.mark.parametrize(('dist', 'gpus', 'size'), [(False, 0, 4), (False, 1, 4), (False, 3, 12), (True, 3, 4)])
def test_a_process_draws_for_all_its_gpus(options, dist, gpus, size):
    class Model(BaseModel):
        def __init__(self):
            self.opt = {'datasets': {'train': options()}, 'num_gpu': gpus, 'dist': dist}
            self.optimizers, self.schedulers = [], []

    Model().resume_training({'iter': 2, 'epoch': 0, 'optimizers': [], 'schedulers': []})
    assert stream.epoch_positions(0, 100).start == 2 * size


def test_a_resumed_run_of_several_gpus_in_one_process_goes_on_exactly(train, options):
    # 16 patches an epoch in batches of 12: the last 4 are never drawn.
    expected = train(options(), gpus=3)
    assert [len(epoch) for epoch in expected] == [1, 1, 1]
    assert flat(train(options(), first=1, seen=1, gpus=3)) == flat(expected)[1:]
    assert flat(train(options(), first=1, seen=2, gpus=3)) == flat(expected)[2:]


@given(st.integers(0, 50), st.integers(1, 99), st.integers(1, 12), st.integers(0, 500))
def test_positions_of_an_epoch(epoch, length, size, iterations):
    stream.resume_at(iterations, size)
    # What a loader that drops incomplete batches makes of the whole run, batch by batch.
    run = [
        (number, range(number * length + first, number * length + first + size))
        for number in range(epoch + 1)
        for first in range(0, length - size + 1, size)
    ]
    expected = [batch for number, batch in run[iterations:] if number == epoch]
    positions = stream.epoch_positions(epoch, length)
    batches = [positions[first : first + size] for first in range(0, len(positions) - size + 1, size)]
    assert batches == expected
    assert positions.stop == (epoch + 1) * length
    stream.resume_at(0)


def test_other_data_sets_are_sampled_as_ever():
    sampler = EnlargedSampler(list(range(7)), 2, 1, 3)
    sampler.set_epoch(4)
    order = torch.randperm(22, generator=torch.Generator().manual_seed(4)) % 7
    assert list(sampler) == order[1::2].tolist()
    assert len(sampler) == 11


def test_other_data_sets_are_sampled_as_ever_after_resuming():
    stream.resume_at(1000, 4)
    assert sorted(EnlargedSampler(list(range(7)), 1, 0, 1)) == list(range(7))


def in_time(function, seconds=60):
    """The exception a function raises, or a failure if it hangs."""
    raised = []

    def call():
        try:
            function()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), 'hangs'
    return raised[0] if raised else None


@pytest.mark.parametrize(
    ('workers', 'persistent', 'prefetch'), [(0, False, None), (0, False, 'cpu'), (1, False, None), (1, True, 'cpu')]
)
def test_a_data_set_that_raises_ends_the_iteration(tmp_path, hr_folder, options, train, workers, persistent, prefetch):
    made = prepare(Preparation(hr_folder, tmp_path, 2, encoding='files'))
    opt = options(
        dataroot_gt=str(made.hr_path),
        dataroot_lq=str(made.lr_path),
        io_backend={'type': 'disk'},
        num_worker_per_gpu=workers,
        persistent_workers=persistent,
        prefetch_mode=prefetch,
    )

    def break_images():
        for path in made.hr_path.glob('*.png'):
            path.write_bytes(b'gone')

    assert in_time(lambda: train(opt, epochs=1)) is None
    error = in_time(lambda: train(opt, epochs=1, before=break_images))
    assert isinstance(error, InputError)
    assert 'is not an image that can be read' in str(error)


SPAWNED = """
import json, sys
import torch
from torch.utils.data import DataLoader

if __name__ == '__main__':
    from basicsr.data import build_dataset
    import bsr_plugin

    torch.multiprocessing.set_start_method(sys.argv[1])
    dataset = build_dataset(json.loads(sys.argv[2]))
    loader = DataLoader(dataset, batch_size=4, sampler=range(8), num_workers=1)
    print(json.dumps([[batch['lq'].sum(dim=(1, 2, 3)).tolist(), batch['pic'].tolist()] for batch in loader]))
"""


def test_spawned_workers_give_the_same_batches(tmp_path, options):
    script = tmp_path / 'spawned.py'
    script.write_text(SPAWNED)
    done = subprocess.run(
        [sys.executable, str(script), 'spawn', json.dumps(options())],
        capture_output=True,
        text=True,
        timeout=300,
        env={'PYTHONPATH': str(Path(bsr_plugin.__file__).parents[1]), 'PATH': '/usr/bin:/bin'},
    )
    assert done.returncode == 0, done.stderr
    batches = DataLoader(build_dataset(options()), batch_size=4, sampler=range(8))
    found = [[batch['lq'].sum(dim=(1, 2, 3)).tolist(), batch['pic'].tolist()] for batch in batches]
    assert json.loads(done.stdout.splitlines()[-1]) == found


def test_a_copy_gives_the_same_batches(options):
    dataset = build_dataset(options())
    before = dataset.__getitems__([8, 9, 10, 11])
    for one, other in zip(before, copy.deepcopy(dataset).__getitems__([8, 9, 10, 11]), strict=True):
        torch.testing.assert_close(one['lq'], other['lq'], rtol=0, atol=0)
        assert one['gt_path'] == other['gt_path']
