"""Batches through BasicSR's own sampler, loaders and prefetchers: a pure function of seed, rank and place."""

import copy
import json
import pickle
import subprocess
import threading
from collections import Counter
from math import ceil

import numpy as np
import pytest
import torch
from basicsr.data import build_dataloader, build_dataset
from torch.utils.data import DataLoader

from bsr_plugin.data import rfs_paired_image_dataset
from bsr_plugin.data.prepare import Preparation, prepare
from bsr_plugin.errors import InputError
from bsr_plugin.toolbox.prefetch import CPUPrefetcher
from bsr_plugin.toolbox.sampler import Position, ResumableSampler

EPOCHS = 3
PER_EPOCH = 4  # iterations: 5 images, three times over, in batches of 4


@pytest.fixture
def train(as_text, monkeypatch):
    """Goes through epochs as BasicSR's training loop does and gives every batch as text, by epoch."""

    def run(opt, epochs=EPOCHS, state=None, rank=0, ranks=1, before=lambda: None, losses=None):
        monkeypatch.setattr(rfs_paired_image_dataset, 'get_dist_info', lambda: (rank, ranks))
        dataset = build_dataset(opt)
        before()
        sampler = ResumableSampler(dataset, ranks, rank, opt['dataset_enlarge_ratio'])
        loader = build_dataloader(dataset, opt, num_gpu=1, dist=False, sampler=sampler, seed=0)
        sampler.plan(loader.batch_size, 10**6, state)
        if losses:
            sampler.before_epoch = lambda epoch: dataset.importance.use(losses(epoch))
        prefetcher = CPUPrefetcher(loader)
        result = []
        for epoch in range(sampler.start.epoch, epochs):
            sampler.set_epoch(epoch)
            prefetcher.reset()
            result.append([])
            while (batch := prefetcher.next()) is not None:
                position = batch.pop('position')
                assert position['epoch'] == epoch
                assert position['iteration'] == sampler.start.iteration + sum(map(len, result)) + 1
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


@pytest.mark.parametrize(('size', 'ranks'), [(4, 2), (2, 2), (1, 4), (2, 4)])
def test_ranks_share_no_batch_and_together_are_balanced(train, options, size, ranks):
    opt = options(batch_size_per_gpu=size, dataset_enlarge_ratio=12)
    runs = [flat(train(opt, rank=rank, ranks=ranks)) for rank in range(ranks)]
    # Single patches may come twice; batches do not.
    assert len({batch for run in runs for batch in run}) > (0.95 if size == 1 else 0.999) * ranks * len(runs[0])
    for batches in zip(*runs, strict=True):
        # The four intervals of the joint batch alike, whatever the number of ranks.
        bins = Counter(place for batch in batches for place in json.loads(batch)['pic_bin'])
        assert bins == dict.fromkeys(range(4), size * ranks // 4)


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


def state_after(iterations, **changes):
    """What a training state of the run says about its place in the data."""
    epoch = (iterations - 1) // PER_EPOCH  # of the last iteration
    position = Position(iterations, epoch, iterations - epoch * PER_EPOCH, 4 * iterations, 4, 1, PER_EPOCH)
    return {'iter': iterations, 'epoch': epoch, 'position': {**position.as_state(), **changes}}


@pytest.mark.parametrize('done', range(1, EPOCHS * PER_EPOCH))
@pytest.mark.parametrize('engine', ['BSRModel', 'SRModel'])
def test_a_resumed_run_goes_on_exactly(train, options, expected, done, engine):
    state = state_after(done)
    if engine == 'SRModel':  # whose states do not tell the place
        del state['position']
    resumed = train(options(), state=state)
    assert flat(resumed) == flat(expected)[done:]
    assert resumed[-1] == expected[-1][max(0, done - (EPOCHS - 1) * PER_EPOCH) :]


@pytest.mark.parametrize(('persistent', 'prefetch'), [(False, None), (True, 'cpu')])
def test_a_resumed_run_with_workers_goes_on_exactly(train, options, expected, persistent, prefetch):
    opt = options(num_worker_per_gpu=2, persistent_workers=persistent, prefetch_mode=prefetch)
    assert flat(train(opt, state=state_after(6))) == flat(expected)[6:]


def losses_of(epoch):
    return np.array([1, 1 + 4 * epoch, 1, 9])


@pytest.mark.parametrize('workers', [1, 2])
@pytest.mark.parametrize(('persistent', 'prefetch'), [(False, None), (True, None), (True, 'cpu')])
def test_importance_changes_with_the_epoch_for_any_workers(train, options, workers, persistent, prefetch):
    opt = options(sampling='importance')
    expected = train(opt, losses=losses_of)
    unchanged = train(opt, losses=lambda epoch: losses_of(0))
    assert [one == other for one, other in zip(expected, unchanged, strict=True)] == [True, False, False]
    opt |= {'num_worker_per_gpu': workers, 'persistent_workers': persistent, 'prefetch_mode': prefetch}
    opt |= {'num_prefetch_queue': 3} if prefetch else {}
    assert train(opt, losses=losses_of) == expected
    assert flat(train(opt, losses=losses_of, state=state_after(6))) == flat(expected)[6:]


def test_a_run_resumed_on_fewer_ranks_draws_nothing_twice(train, options):
    """Two ranks for 3 iterations, then one with a larger batch."""
    before = {
        batch for rank in range(2) for batch in flat(train(options(dataset_enlarge_ratio=6), rank=rank, ranks=2))[:3]
    }
    state = state_after(3, world_size=2, batches=3, patches=12)
    after = flat(train(options(batch_size_per_gpu=8, dataset_enlarge_ratio=6), state=state))
    patches = [patch for batch in (*before, *after) for patch in json.loads(batch)['lq']]
    assert len(set(patches)) > 0.9 * len(patches)
    # The stream of rank 0 goes on behind 12 patches, at the next whole batch of 8.
    fresh = flat(train(options(batch_size_per_gpu=8, dataset_enlarge_ratio=6)))
    assert after[: len(fresh) - 2] == fresh[2:][: len(after)]


@pytest.mark.parametrize(('workers', 'persistent'), [(0, False), (2, False), (1, True)])
def test_a_schedule_goes_on_at_the_iteration_where_a_run_with_another_batch_left_it(
    train, options, workers, persistent
):
    opt = options(
        pic_balance={'from': 0, 'to': 1, 'between': [7, 8]},
        batch_size_per_gpu=8,
        dataset_enlarge_ratio=10,
        num_worker_per_gpu=workers,
        persistent_workers=persistent,
    )
    # 6 iterations with batches of 4 are 3 batches of 8, and two more iterations come before the strength changes.
    state = state_after(6, epoch=0, batches=6, batches_per_epoch=13)
    resumed, uniform, balanced = (
        flat(train(opt | {'pic_balance': balance}, epochs=2, state=state)) for balance in (opt['pic_balance'], 0, 1)
    )
    assert resumed[:2] == uniform[:2]
    assert {tuple(np.bincount(json.loads(batch)['pic_bin'])) for batch in resumed[2:]} == {(2, 2, 2, 2)}
    assert resumed[2:] == balanced[2:]


def test_shuffled_indices_are_refused(options):
    loader = DataLoader(build_dataset(options()), batch_size=4, shuffle=True)
    with pytest.raises(InputError, match='draws its own patches and was given shuffled indices'):
        list(loader)


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
    assert 'is not a readable image' in str(error)


SPAWNED = """
import json, sys
import numpy, torch
from torch.utils.data import DataLoader

if __name__ == '__main__':
    from basicsr.data import build_dataset
    import bsr_plugin

    torch.multiprocessing.set_start_method(sys.argv[1])
    dataset = build_dataset(json.loads(sys.argv[2]))
    loader = DataLoader(dataset, batch_size=4, sampler=range(8), num_workers=1, persistent_workers=True)
    for losses in ([1, 1, 1, 1], [1, 2, 3, 9]):
        dataset.importance.use(numpy.array(losses))
        print(json.dumps([[batch['lq'].sum(dim=(1, 2, 3)).tolist(), batch['pic'].tolist()] for batch in loader]))
"""


def test_spawned_workers_give_the_same_batches(tmp_path, options, programs):
    script = tmp_path / 'spawned.py'
    script.write_text(SPAWNED)
    words = [script, 'spawn', json.dumps(options(sampling='importance'))]
    process = programs.fork(words, stderr=subprocess.PIPE)
    printed, errors = programs.finish(process, 300)
    assert process.returncode == 0, errors
    dataset = build_dataset(options(sampling='importance'))
    batches = DataLoader(dataset, batch_size=4, sampler=range(8))
    found = []
    for losses in ([1, 1, 1, 1], [1, 2, 3, 9]):
        dataset.importance.use(np.array(losses))
        found.append([[batch['lq'].sum(dim=(1, 2, 3)).tolist(), batch['pic'].tolist()] for batch in batches])
    assert found[0] != found[1]
    assert [json.loads(line) for line in printed.splitlines()[-2:]] == found


def test_the_iteration_goes_to_spawned_workers(options):
    opt = options(pic_balance={'from': 0, 'to': 1, 'between': [90, 92]})
    dataset = build_dataset(opt)
    uniform = served(dataset)
    dataset.begin_run(92)
    assert served(dataset) == served(pickle.loads(pickle.dumps(dataset))) != uniform


def served(dataset):
    return Counter(sample['pic_bin'] for sample in dataset.__getitems__(range(32)))


def test_a_copy_gives_the_same_batches(options):
    dataset = build_dataset(options())
    before = dataset.__getitems__([8, 9, 10, 11])
    for one, other in zip(before, copy.deepcopy(dataset).__getitems__([8, 9, 10, 11]), strict=True):
        torch.testing.assert_close(one['lq'], other['lq'], rtol=0, atol=0)
        assert one['gt_path'] == other['gt_path']
