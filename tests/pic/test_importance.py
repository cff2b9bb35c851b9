"""Importance sampling has uniform sampling's expectation exactly, and less variance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bsr_plugin.errors import InputError
from bsr_plugin.pic.draws import batch_generator
from bsr_plugin.pic.importance import Importance, ImportanceRule, ImportanceSampler
from bsr_plugin.pic.uniform import UniformSampler

WINDOW = 8


@pytest.fixture(scope='module')
def index(indexed, textured):
    sizes = [(20, 24), (9, 30), (7, 40), (30, 12), (16, 16)]
    pixels = [textured(*size, 15 + 25 * seed, seed) for seed, size in enumerate(sizes)]
    # The last interval but one is empty in all images.
    index = indexed(pixels, WINDOW, edges=(0, 20, 60, 110, 1000, 1001, 2000))
    assert (index.counts[:, :4].sum(axis=0) > 0).all()
    assert not index.counts[:, 4:].any()
    return index


def windows(index):
    """(image, interval) of every window, found one by one; and its probability under uniform sampling."""
    for image in index.usable.tolist():
        for position in range(index.windows[image]):
            interval = int(index.intervals_at(np.array([image]), np.array([position]))[0])
            yield image, position, interval, 1 / (index.usable.size * index.windows[image])


def random_losses(index, seed):
    """A loss for every window, which differs by interval and within it; (image, position) -> loss."""
    generator = np.random.default_rng(seed)
    scale = generator.lognormal(0, 1.5, index.bins)
    return {(image, position): scale[k] * generator.uniform(0.2, 1.8) for image, position, k, _ in windows(index)}


def by_interval(index, losses, power=1):
    """(p,) means of the losses to a power over the windows of each interval, as uniform sampling draws them."""
    sums, chances = np.zeros(index.bins), np.zeros(index.bins)
    for image, position, k, chance in windows(index):
        sums[k] += chance * losses[image, position] ** power
        chances[k] += chance
    with np.errstate(invalid='ignore'):
        return sums / chances


@given(st.integers(0, 2**32), st.floats(0.01, 1))
def test_the_expected_loss_is_uniforms_by_enumeration(index, seed, share):
    losses = random_losses(index, seed)
    uniform = sum(chance * losses[image, position] for image, position, _, chance in windows(index))
    importance = Importance(index, ImportanceRule(share))
    importance.use(np.sqrt(by_interval(index, losses, 2)))
    law, weights, means = importance.probabilities(), importance.weights, by_interval(index, losses)
    assert law.sum() == pytest.approx(1, rel=1e-12)
    drawn = law > 0
    assert drawn.tolist() == [True] * 4 + [False] * 2
    assert (law * weights * means)[drawn].sum() == pytest.approx(uniform, rel=1e-9)
    assert weights.max() <= 1 / share * (1 + 1e-9)
    # The second moment of a weighted loss, which is all that the law decides of its variance.
    squares = by_interval(index, losses, 2)
    moment = (law * weights**2 * squares)[drawn].sum()
    assert moment <= (index.probabilities * squares)[drawn].sum() * (1 + 1e-9)


def test_clipped_weights_are_biased_downwards(index):
    losses = random_losses(index, 0)
    importance = Importance(index, ImportanceRule(0.1, max_weight=1.5))
    importance.use(np.sqrt(by_interval(index, losses, 2)))
    expected = np.divide(index.probabilities, importance.probabilities(), out=np.ones(6), where=index.probabilities > 0)
    assert expected.max() > 1.5
    assert importance.weights == pytest.approx(np.minimum(expected, 1.5))


@pytest.mark.parametrize('batch_size', [4, 16])
def test_drawn_batches_have_uniforms_mean_and_less_variance(index, batch_size):
    losses = random_losses(index, 3)
    exact = sum(chance * losses[image, position] for image, position, _, chance in windows(index))
    sampler = ImportanceSampler(index, ImportanceRule(0.2))
    sampler.importance.use(np.sqrt(by_interval(index, losses, 2)))
    means = {}
    for name, each in (('importance', sampler), ('uniform', UniformSampler(index))):
        batches = [each.draw(batch_generator(0, 0, number), batch_size, number) for number in range(4000)]
        means[name] = np.array([weighted_mean(draws, losses) for draws in batches])
        # Means of 4,000 batches; four standard errors.
        assert means[name].mean() == pytest.approx(exact, abs=4 * means[name].std() / 4000**0.5)
    assert means['importance'].var() < 0.5 * means['uniform'].var()


def weighted_mean(draws, losses):
    weights = np.ones(draws.images.size) if draws.weights is None else draws.weights
    places = zip(draws.images.tolist(), draws.positions.tolist(), strict=True)
    return np.mean(weights * [losses[place] for place in places])


def test_few_candidates_would_be_biased(index, sampler_of):
    """Why all images are candidates: among two, the windows of a rare interval are not those of the whole set."""
    shares = index.shares[:, 1] / index.shares[:, 1].sum()
    frequencies = {}
    for candidates in (2, 'all'):
        sampler, drawn = sampler_of('rfs', index, candidates), np.zeros(5)
        for number in range(3000):
            draws = sampler.draw(batch_generator(0, 0, number), 6, number)
            drawn += np.bincount(draws.images[draws.intervals == 1], minlength=5)
        frequencies[candidates] = drawn / drawn.sum()
    assert frequencies['all'] == pytest.approx(shares, abs=0.03)
    assert np.abs(frequencies[2] - shares).max() > 0.1


def test_without_losses_the_law_is_uniforms_and_patches_count_alike(index):
    sampler = ImportanceSampler(index, ImportanceRule())
    nothing = np.full(index.bins, np.nan)
    for _ in range(2):
        assert sampler.importance.probabilities().tolist() == index.probabilities.tolist()
        draws = sampler.draw(batch_generator(0, 0, 0), 12, 0)
        assert draws.weights.tolist() == [1.0] * 12
        sampler.importance.use(nothing)


def test_the_law_by_hand():
    rule, uniform = ImportanceRule(0.25), np.array([0.5, 0.3, 0.2, 0.0])
    # The third interval has no loss yet: it is taken to have (0.5 * 1 + 0.3 * 5) / 0.8 = 2.5.
    law = rule.probabilities(uniform, np.array([1, 5, np.nan, 7]))
    asked = np.array([0.5, 1.5, 0.5, 0]) / 2.5
    assert law == pytest.approx(0.75 * asked + 0.25 * uniform)
    assert rule.weights(uniform, law)[:3] == pytest.approx(uniform[:3] / law[:3])
    assert rule.weights(uniform, law)[3] == 1
    assert rule.probabilities(uniform, np.zeros(4)).tolist() == uniform.tolist()


@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        ({'uniform_share': 0}, r'uniform_share 0: use a number above 0, such as 0\.2, up to 1\.'),
        ({'uniform_share': 1.5}, r'uniform_share 1\.5: use a number above 0'),
        ({'uniform_share': float('nan')}, 'uniform_share nan'),
        ({'max_weight': 0.5}, r'max_weight 0\.5: use a number of at least 1, or ~ for no clipping\.'),
        ({'max_weight': 'all'}, 'max_weight all'),
    ],
)
def test_bad_rules(arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        ImportanceRule(**arguments)
