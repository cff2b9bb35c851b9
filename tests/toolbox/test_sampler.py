"""A run ends after exactly ``total_iter`` iterations, whatever it is made of, and goes on where it was."""

import math

import pytest
from basicsr.data.data_sampler import EnlargedSampler
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from bsr_plugin.errors import InputError
from bsr_plugin.toolbox.prefetch import CPUPrefetcher
from bsr_plugin.toolbox.sampler import Position, ResumableSampler


class Images(list):
    """A data set of numbers."""

    numbers_patches = False


class Patches(Images):
    """One that draws its own patches: any number is a patch. It remembers what it is told of its run and epochs."""

    numbers_patches = True

    def __init__(self, images):
        super().__init__(images)
        self.epochs = []
        self.offset = None

    def begin_run(self, offset):
        self.offset = offset

    def begin_epoch(self, numbers, batch_size):
        self.epochs.append((numbers, batch_size))

    def __getitem__(self, number):
        return number


def loop(dataset, batch, total, ranks=1, rank=0, ratio=1, state=None, stop=None):
    """BasicSR's training loop around a loader, as ``train_pipeline`` has it; gives the batches and the last state."""
    sampler = ResumableSampler(dataset, ranks, rank, ratio)
    collate = {'collate_fn': lambda samples: {'samples': samples}}
    loader = DataLoader(dataset, batch_size=batch, sampler=sampler, drop_last=True, **collate)
    sampler.plan(loader.batch_size, total, state)
    prefetcher = CPUPrefetcher(loader)
    current_iter = state['iter'] if state else 0
    batches, last = [], state
    for epoch in range(sampler.start.epoch, sampler.epochs + 1):
        sampler.set_epoch(epoch)
        prefetcher.reset()
        train_data = prefetcher.next()
        while train_data is not None:
            current_iter += 1
            if current_iter > total:
                break
            batches.append(train_data['samples'])
            last = {'iter': current_iter, 'epoch': epoch, 'position': train_data['position']}
            assert last['position']['iteration'] == current_iter
            if current_iter == stop:
                return batches, last
            train_data = prefetcher.next()
    return batches, last


runs = st.fixed_dictionaries(
    {
        'images': st.integers(1, 12),
        'batch': st.integers(1, 9),
        'ranks': st.integers(1, 3),
        'ratio': st.integers(1, 4),
        'total': st.integers(1, 40),
        'kind': st.sampled_from([Images, Patches]),
    }
)


KEYS = ('batch', 'total', 'ranks', 'ratio')


def begin(run):
    return {
        'dataset': run['kind'](range(run['images'])),
        **{key: run[key] for key in ('batch', 'total', 'ranks', 'ratio')},
    }


def whole_batches(run):
    return run['kind'] is Patches or math.ceil(run['images'] * run['ratio'] / run['ranks']) >= run['batch']


@settings(max_examples=200)
@given(runs, st.data())
def test_a_run_has_exactly_its_iterations_or_refuses_to_start(run, data):
    rank = data.draw(st.integers(0, run['ranks'] - 1))
    if not whole_batches(run):
        with pytest.raises(InputError, match='less than one batch of'):
            loop(**begin(run), rank=rank)
        return
    batches, last = loop(**begin(run), rank=rank)
    assert len(batches) == last['iter'] == run['total']
    assert all(len(batch) == run['batch'] for batch in batches)


@settings(max_examples=300)
@given(runs, runs, st.data())
def test_a_run_resumed_with_another_batch_or_other_ranks_has_exactly_its_iterations(run, other, data):
    other = {**other, 'kind': run['kind'], 'total': run['total'], 'images': run['images']}
    assume(whole_batches(run) and whole_batches(other))
    stop = data.draw(st.integers(1, run['total']))
    _, state = loop(**begin(run), stop=stop)
    batches, last = loop(**begin(other), state=state)
    assert len(batches) == run['total'] - stop
    assert last['iter'] == run['total']
    if run['kind'] is Patches and batches:
        assert batches[0][0] >= stop * run['batch']
        drawn = [patch for batch in batches for patch in batch]
        assert drawn == list(range(drawn[0], drawn[0] + len(drawn)))
        assert batches[0][0] % other['batch'] == 0


@settings(max_examples=200)
@given(runs, st.data())
def test_a_run_resumed_as_it_was_goes_on_exactly_any_number_of_times(run, data):
    assume(whole_batches(run))
    expected, end = loop(**begin(run))
    batches, state = [], None
    stops = sorted(data.draw(st.sets(st.integers(1, run['total']), max_size=3)))
    for stop in [*stops, run['total']]:
        more, state = loop(**begin(run), state=state, stop=stop)
        batches += more
    assert batches == expected
    assert state == end


@given(runs)
def test_images_come_in_the_order_of_the_stock_sampler_for_as_long_as_that_goes_on(run):
    run = {**run, 'kind': Images}
    assume(whole_batches(run))
    batches, _ = loop(**begin(run))
    stock = EnlargedSampler(list(range(run['images'])), run['ranks'], 0, run['ratio'])
    expected = []
    for epoch in range(run['total']):
        stock.set_epoch(epoch)
        indices = list(stock)
        size = run['batch']
        expected += [indices[first : first + size] for first in range(0, len(indices) - size + 1, size)]
    assert batches == expected[: run['total']]


def test_the_state_of_another_engine_goes_on_where_its_iteration_is():
    expected, _ = loop(Images(range(10)), batch=3, total=12)
    for done in (2, 3, 4, 7):
        state = {'iter': done, 'epoch': (done - 1) // 3}
        assert loop(Images(range(10)), batch=3, total=12, state=state)[0] == expected[done:]


def test_a_change_of_batch_or_ranks_is_told_in_one_sentence():
    _, state = loop(Images(range(24)), batch=3, total=20, ranks=2, stop=6)
    sampler = ResumableSampler(Images(range(24)), 1, 0, 1)
    assert sampler.plan(3, 20, state) == (
        'Resuming with 1 rank, batch size 3 per rank, 8 iterations per epoch; previously 2 ranks, batch size 3 '
        'per rank, 4 iterations per epoch.'
    )
    # 6 iterations are one epoch and a half: half of the second one is left, 4 iterations of 8.
    assert (sampler.start.epoch, sampler.start.batches) == (1, 4)
    assert sampler.start.patches == 18
    assert ResumableSampler(Images(range(24)), 2, 1, 1).plan(3, 20, state) is None


def test_a_state_past_the_last_iteration_is_refused():
    _, state = loop(Images(range(4)), batch=2, total=20)
    with pytest.raises(InputError, match=r'of iteration 20, past train.total_iter 10: raise total_iter'):
        loop(Images(range(4)), batch=2, total=10, state=state)
    assert loop(Images(range(4)), batch=2, total=20, state=state)[0] == []


def test_too_few_images_for_a_batch_are_refused_with_the_ratio_that_does():
    with pytest.raises(InputError, match='set dataset_enlarge_ratio to 32 or more'):
        loop(Images(range(2)), batch=64, total=5)
    assert len(loop(Images(range(2)), batch=64, total=5, ratio=32)[0]) == 5
    with pytest.raises(InputError, match='has no image'):
        ResumableSampler(Images(), 1, 0, 1)


def test_the_data_set_is_told_of_each_epoch():
    dataset = Patches(range(4))
    batches, state = loop(dataset, batch=2, total=7)
    told = [(range(0, 4), 2), (range(4, 8), 2), (range(8, 12), 2), (range(12, 14), 2), (range(14, 14), 2)]
    assert dataset.epochs == told  # four, and the one with nothing left
    assert [number for numbers, _ in told for number in numbers] == [number for batch in batches for number in batch]
    resumed = Patches(range(4))
    _, state = loop(Patches(range(4)), batch=2, total=7, stop=3)
    loop(resumed, batch=2, total=7, state=state)
    assert resumed.epochs == [(range(6, 8), 2), *told[2:]]


@pytest.mark.parametrize('ranks', [1, 2])
def test_the_data_set_can_tell_the_iteration_of_a_batch_whatever_batches_it_had_before(ranks):
    state, done = None, 0
    for batch, stop, offset in [(4, 3, 0), (4, 5, 0), (8, 9, 2), (8, 11, 2), (3, 20, -13), (3, 22, -13), (1, 30, -83)]:
        dataset = Patches(range(24))
        batches, state = loop(dataset, batch, 30, ranks=ranks, state=state, stop=stop)
        assert dataset.offset == offset
        iterations = [samples[0] // batch + dataset.offset for samples in batches]
        assert iterations == list(range(done, stop))
        done = stop


def test_whoever_listens_hears_of_an_epoch_before_the_data_set_does():
    dataset = Patches(range(4))
    sampler, heard = ResumableSampler(dataset, 1, 0, 1), []
    sampler.plan(2, 7)
    sampler.before_epoch = lambda epoch: heard.append((epoch, len(dataset.epochs)))
    for epoch in range(5):
        sampler.set_epoch(epoch)
    # The fifth is empty: the loop counts it where the last epoch is cut, and a run that goes on has it whole.
    assert heard == [(0, 0), (1, 1), (2, 2), (3, 3)]


def test_length_is_what_is_left():
    sampler = ResumableSampler(Images(range(10)), 1, 0, 1)
    assert (len(sampler), len(list(sampler))) == (10, 10)
    sampler.plan(3, 5)
    assert (len(sampler), len(list(sampler))) == (9, 9)
    sampler.set_epoch(1)
    assert (len(sampler), len(list(sampler))) == (6, 6)
    sampler.set_epoch(2)
    assert (len(sampler), list(sampler)) == (0, [])


def test_a_position_is_plain_numbers_and_comes_back_whole():
    position = Position(7, 1, 3, 28, 4, 2, 4)
    assert Position.of_state({'position': position.as_state()}, Position()) == position
    assert all(type(value) is int for value in position.as_state().values())


def test_patches_of_ranks_are_numbered_alike():
    for rank in (0, 1):
        batches, _ = loop(Patches(range(5)), batch=2, total=4, ranks=2, rank=rank)
        assert batches == [[0, 1], [2, 3], [4, 5], [6, 7]]
