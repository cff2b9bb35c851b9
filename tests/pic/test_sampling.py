from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bsr_plugin.errors import InputError
from bsr_plugin.pic.band import BandRule
from bsr_plugin.pic.draws import batch_generator
from bsr_plugin.pic.measure import ringed_sums, window_with_ring
from bsr_plugin.pic.quotas import quotas as rounded
from bsr_plugin.pic.sampling import SamplingRule
from bsr_plugin.pic.whole_set import WholeSet

WINDOW = 8


def measured(pixels, index):
    def measure(image, position):
        region = window_with_ring(pixels[image], *divmod(position, int(index.grid[image, 1])), WINDOW)
        return ringed_sums(region[None]).item()

    return measure


@pytest.fixture(scope='module')
def pixels(textured):
    sizes = [(20, 24), (9, 30), (7, 40), (30, 12), (16, 16), (5, 5)]
    return [textured(*size, 15 + 25 * seed, seed) for seed, size in enumerate(sizes)]


@pytest.fixture(scope='module')
def index(indexed, pixels):
    return indexed(pixels, WINDOW, bins=5, quantile=1.0)


@pytest.fixture(scope='module')
def flat_and_busy(indexed):
    """Windows of one pixel: image 0 lies in interval 0 alone, image 1 in 0, 2 and 4; 1, 3, 5 and 6 are empty."""
    flat = np.full((12, 12, 3), 50, np.uint8)
    # Two slopes: the gradient is 8 times the step, and 0 at the image's edge, where the ramp is reflected.
    ramp = np.concatenate([np.arange(0, 40, 2), np.arange(40, 160, 6)])
    busy = np.repeat(np.repeat(ramp[None, :, None], 12, axis=0), 3, axis=2).astype(np.uint8)
    return indexed([flat, busy], 1, edges=(0, 1, 10, 20, 30, 60, 70, 80))


def quotas(batch_size, bins, batch_index):
    return rounded(np.full(bins, 1 / bins), batch_size, batch_index)


@pytest.mark.parametrize('kind', ['rfs', 'rejection'])
@pytest.mark.parametrize('batch_size', [1, 3, 5, 16])
@pytest.mark.parametrize('candidates', [None, 1, 3, 50])
def test_batches_have_their_quotas_and_true_intervals(sampler_of, index, pixels, kind, batch_size, candidates):
    sampler = sampler_of(kind, index, candidates, measured(pixels, index))
    full = index.counts[index.usable].all()
    for batch_index in range(5):
        draws = sampler.draw(batch_generator(3, 0, batch_index), batch_size, batch_index)
        assert draws.images.shape == draws.positions.shape == draws.intervals.shape == (batch_size,)
        assert np.bincount(draws.intervals, minlength=5).tolist() == quotas(batch_size, 5, batch_index).tolist()
        assert draws.displaced == 0
        assert set(draws.images.tolist()) <= {0, 1, 3, 4}  # images 2 and 5 are smaller than the window
        if full or candidates == 50:
            assert draws.widened == 0
        for image, position, interval in zip(draws.images, draws.positions, draws.intervals, strict=True):
            assert 0 <= position < index.windows[image]
            mean = measured(pixels, index)(image, position) / WINDOW**2
            assert interval == min(np.searchsorted(index.edges, mean, side='right') - 1, 4)


@pytest.mark.parametrize('kind', ['rfs', 'rejection', 'uniform', 'band'])
def test_a_batch_is_a_pure_function(sampler_of, index, pixels, kind):
    def draw(sampler, seed, rank, position):
        draws = sampler.draw(batch_generator(seed, rank, position), 7, 2)
        return draws.images.tolist(), draws.positions.tolist(), draws.intervals.tolist()

    used, fresh = (sampler_of(kind, index, 3, measured(pixels, index)) for _ in range(2))
    for position in (0, 7, 700):
        draw(used, 5, 1, position + 1)
    where = [(5, 1, 7), (6, 1, 7), (5, 2, 7), (5, 1, 14), (2**64 - 1, 0, 0)]
    assert [draw(used, *place) for place in where] == [draw(fresh, *place) for place in reversed(where)][::-1]
    assert len({str(draw(used, *place)) for place in where}) == len(where)


def test_generators_share_no_numbers():
    places = [(0, 0, 0), (0, 0, 1), (0, 0, 16), (0, 1, 0), (1, 0, 0), (2**64 - 1, 0, 0), (0, 0, 2**63)]
    numbers = Counter(number for place in places for number in batch_generator(*place).random(2000).tolist())
    assert max(numbers.values()) == 1


@pytest.mark.parametrize('kind', ['rfs', 'rejection'])
def test_places_in_a_batch_are_in_random_order(sampler_of, index, pixels, kind):
    sampler = sampler_of(kind, index, None, measured(pixels, index))
    first = Counter(int(sampler.draw(batch_generator(0, 0, k), 5, 0).intervals[0]) for k in range(1000))
    # Each of the 5 intervals comes first with probability 1/5: 200 +- 12.6.
    assert sorted(first) == [0, 1, 2, 3, 4]
    assert all(150 < count < 250 for count in first.values())


@pytest.mark.parametrize(
    ('candidates', 'batch_size', 'images'), [(None, 8, 4), (2, 8, 2), (3, 8, 3), (None, 2, 2), (99, 6, 4)]
)
def test_uniform_takes_candidates_in_turn(sampler_of, index, candidates, batch_size, images):
    sampler = sampler_of('uniform', index, candidates, None)
    for position in range(20):
        draws = sampler.draw(batch_generator(0, 0, position), batch_size, position)
        times = Counter(draws.images.tolist())
        assert len(times) == images
        assert max(times.values()) - min(times.values()) <= 1
        assert (draws.positions < index.windows[draws.images]).all()
        for image, position, interval in zip(draws.images, draws.positions, draws.intervals, strict=True):
            assert position in index.positions(image, interval)
        assert (draws.widened, draws.displaced) == (0, 0)


def constant(index):
    values = {0: 0, 2: 16, 4: 48}
    return lambda image, position: values[int(index.intervals_at(np.array([image]), np.array([position]))[0])]


def test_occupied_intervals_of_the_fixture(flat_and_busy):
    assert (flat_and_busy.counts[0] > 0).tolist() == [True, False, False, False, False, False, False]
    assert (flat_and_busy.counts[1] > 0).tolist() == [True, False, True, False, True, False, False]


@pytest.mark.parametrize('kind', ['rfs', 'rejection'])
def test_empty_intervals_are_filled_from_the_nearest(sampler_of, flat_and_busy, kind):
    sampler = sampler_of(kind, flat_and_busy, 2, constant(flat_and_busy))
    draws = sampler.draw(batch_generator(0, 0, 0), 14, 0)
    # Two each of 0..6: the lower neighbour serves 1 and 3 on a tie, and 5 and 6 go to 4.
    assert Counter(draws.intervals.tolist()) == {0: 4, 2: 4, 4: 6}
    assert (draws.widened, draws.displaced) == (0, 8)
    found = flat_and_busy.intervals_at(draws.images, draws.positions)
    assert draws.intervals.tolist() == found.tolist()


def test_windows_that_candidates_lack_come_from_the_whole_data_set(sampler_of, flat_and_busy):
    balanced, loop = (sampler_of(kind, flat_and_busy, 1, constant(flat_and_busy)) for kind in ('rfs', 'rejection'))
    seen = Counter()
    for position in range(200):
        batches = [sampler.draw(batch_generator(1, 0, position), 7, 0) for sampler in (balanced, loop)]
        # The one candidate is the flat image, which lacks intervals 2 and 4, or the busy one, which has them.
        assert batches[0].widened == batches[1].widened
        assert [draws.displaced for draws in batches] == [4, 4]
        for draws in batches:
            assert Counter(draws.intervals.tolist()) == {0: 2, 2: 2, 4: 3}
            assert (draws.images[draws.intervals > 0] == 1).all()
        seen[batches[0].widened] += 1
    assert set(seen) == {0, 2}
    assert 70 < seen[2] < 130


@pytest.mark.parametrize('batch_size', [3, 16])
@pytest.mark.parametrize('kind', ['rfs', 'rejection'])
def test_256_intervals_and_small_batches(sampler_of, indexed, textured, kind, batch_size):
    pixels = [textured(14, 18, 60, seed) for seed in range(3)]
    index = indexed(pixels, WINDOW, bins=256, quantile=1.0)
    occupied = np.flatnonzero(index.counts.any(axis=0))
    sampler = sampler_of(kind, index, 3, measured(pixels, index))
    for batch_index in (0, 1, 40):
        draws = sampler.draw(batch_generator(0, 0, batch_index), batch_size, batch_index)
        asked = np.flatnonzero(quotas(batch_size, 256, batch_index))
        nearest = [min(occupied, key=lambda other, b=b: (abs(other - b), other)) for b in asked]
        assert sorted(draws.intervals.tolist()) == sorted(nearest)
        assert (draws.widened, draws.displaced) == (0, sum(b not in occupied for b in asked))


@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        ({'kind': 'balanced'}, r"sampling is 'balanced': use rfs, uniform, importance, band, rejection\."),
        ({'image_choice': 'even'}, r"image_choice is 'even': use share, spread\."),
        ({'num_candidates': 0}, r'num_candidates is 0: use 1 or more, all, or ~ for the batch size\.'),
        ({'num_candidates': -3}, r'num_candidates is -3'),
        ({'num_candidates': 2.5}, r'num_candidates is 2\.5'),
        (
            {'kind': 'importance', 'num_candidates': 8},
            r"num_candidates is 8, and sampling 'importance' weights patches",
        ),
    ],
)
def test_bad_rules(arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        SamplingRule(**arguments)


@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        (
            {'quantiles': (0.5, 0.5)},
            r'pic_band has quantiles \[0\.5, 0\.5\]: use two numbers from 0 to 1, increasing\.',
        ),
        ({'quantiles': (0.5, 1.5)}, r'quantiles \[0\.5, 1\.5\]: use two numbers'),
        ({'quantiles': ('a', 1)}, r"quantiles \['a', 1\]: use two numbers"),
        ({'share': -1}, r'pic_band has share -1: use a number from 0 to 1\.'),
        ({'share': True}, r'pic_band has share True'),
    ],
)
def test_bad_bands(arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        BandRule(**arguments)


@given(st.data())
@settings(max_examples=30)
def test_an_image_of_the_whole_data_set_has_the_interval_whatever_the_place(index, data):
    whole = WholeSet(index)
    intervals = np.array(data.draw(st.lists(st.integers(0, index.bins - 1), min_size=1, max_size=9)))
    # The last numbers below 1, which added to an interval round up to the next one.
    which = np.array([data.draw(st.sampled_from([0.0, 0.3, 1 - 2**-53, 1 - 2**-52])) for _ in intervals])
    images = whole.pick(whole.nearest[intervals], which)
    assert (index.counts[images, whole.nearest[intervals]] > 0).all()
    for k in range(index.bins):
        assert whole.having(k).tolist() == np.flatnonzero(index.counts[:, k]).tolist()
