"""The stream of batches: drawn ahead or not, each is what its own generator gives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bsr_plugin.pic.balance import BalanceRule
from bsr_plugin.pic.draws import batch_generator
from bsr_plugin.pic.sampling import SamplingRule, make_sampler
from bsr_plugin.pic.stream import DrawStream

RULES = {
    'uniform': SamplingRule('uniform'),
    'rfs': SamplingRule(),
    'few candidates': SamplingRule(num_candidates=2),
    'all candidates': SamplingRule(num_candidates='all'),
    'spread': SamplingRule(image_choice='spread'),
    'spread over all': SamplingRule(num_candidates='all', image_choice='spread'),
    'annealed': SamplingRule(balance=BalanceRule(0.2, 0.9, (3, 40))),
    'band': SamplingRule('band'),
    'importance': SamplingRule('importance'),
}


@pytest.fixture(scope='module')
def index(indexed, textured):
    """More images than are looked at one by one, of which few have the rare intervals."""
    images = [textured(9 + k % 4, 12 + k % 5, 2 + 3 * (k % 9), seed=k) for k in range(70)]
    return indexed(images, 6, bins=6)


def alone(sampler, number, size):
    """A batch drawn by itself, and the next random number of its generator."""
    generator = batch_generator(7, 1, number)
    return sampler.draw(generator, size, number // size), generator.random()


def assert_same(found, expected):
    for name in ('images', 'positions', 'intervals'):
        assert getattr(found, name).tolist() == getattr(expected, name).tolist()
    assert (found.widened, found.displaced) == (expected.widened, expected.displaced)
    if expected.weights is None:
        assert found.weights is None
    else:
        assert found.weights.tolist() == expected.weights.tolist()


@pytest.mark.parametrize('name', RULES)
@settings(max_examples=20)
@given(data=st.data())
def test_batches_in_any_order_are_those_drawn_alone(index, name, data):
    sampler = make_sampler(RULES[name], index, None)
    if name == 'importance':
        sampler.importance.use(np.linspace(0.5, 3, index.bins))
    stream = DrawStream(sampler, 7, 1)
    size = data.draw(st.integers(1, 9))
    for _ in range(data.draw(st.integers(1, 4))):
        start, step = data.draw(st.integers(0, 50)), data.draw(st.integers(1, 3))
        for k in range(data.draw(st.integers(1, 25))):
            number = size * (start + k * step)
            found, generator = stream.batch(number, size)
            expected, following = alone(sampler, number, size)
            assert_same(found, expected)
            assert generator.random() == following


def test_the_same_batch_twice_and_batches_of_another_size(index):
    sampler = make_sampler(RULES['rfs'], index, None)
    stream = DrawStream(sampler, 7, 1)
    for number, size in ((0, 6), (6, 6), (12, 6), (18, 6), (18, 6), (24, 3), (24, 6), (27, 3), (12, 6)):
        assert_same(stream.batch(number, size)[0], alone(sampler, number, size)[0])


def test_batches_at_equal_distances_are_drawn_together(index, monkeypatch):
    sampler = make_sampler(RULES['rfs'], index, None)
    numbers = []
    several = sampler.draw_several

    def counted(generators, size, batch_indices):
        numbers.append(list(batch_indices))
        return several(generators, size, batch_indices)

    sampler.draw_several = counted
    stream = DrawStream(sampler, 7, 1)
    for batch_index in range(1, 40, 3):  # of one worker in three
        stream.batch(5 * batch_index, 5)
    assert numbers == [[1], [4], list(range(7, 31, 3)), list(range(31, 55, 3))]


@pytest.mark.parametrize('name', RULES)
def test_a_run_with_another_batch_before_counts_its_iterations_on(index, name):
    sampler = make_sampler(RULES[name], index, None)
    stream = DrawStream(sampler, 7, 1)
    for number in range(0, 30, 5):
        stream.batch(number, 5)
    for offset in (11, -3, 0):  # what was drawn ahead is of no use
        stream.begin_run(offset)
        for number in range(30, 120, 5):
            found, generator = stream.batch(number, 5)
            own = batch_generator(7, 1, number)
            assert_same(found, sampler.draw(own, 5, number // 5 + offset))
            assert generator.random() == own.random()


def test_what_was_drawn_ahead_by_an_earlier_law_is_drawn_anew(index):
    sampler = make_sampler(RULES['importance'], index, None)
    stream = DrawStream(sampler, 7, 1)
    earlier = [stream.batch(8 * k, 8)[0] for k in range(5)]
    sampler.importance.use(np.arange(float(index.bins)) ** 3)
    for number in range(40, 160, 8):
        found, expected = stream.batch(number, 8)[0], alone(sampler, number, 8)[0]
        assert_same(found, expected)
        assert found.weights.tolist() == expected.weights.tolist()
        assert not np.allclose(found.weights, 1)
    assert all(np.allclose(each.weights, 1) for each in earlier)
