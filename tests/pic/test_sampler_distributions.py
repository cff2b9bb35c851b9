"""Every sampler draws what it says: exact probabilities, found by enumeration, against large samples.

The expected number of patches of a batch from every (image, interval) is computed from brute-force tables of a small
store, by going through all sets of candidates and all ties. It is compared with the mean over many batches, in units of
its standard error, which holds however the patches of one batch depend on each other. Then windows within an (image,
interval) have to be equally likely (chi-square). Laws that are wrong in ways that are easy to get wrong are rejected by
the same samples.
"""

from collections import Counter
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import chisquare

from bsr_plugin.pic import candidates as module_of_candidates
from bsr_plugin.pic.band import BandRule
from bsr_plugin.pic.draws import batch_generator
from tests.pic.brute_force import WINDOW, banded, sobel_sums

BATCHES = 4000
#: A right law deviates less than the first in all cells (the draws are seeded), a wrong one more than the second.
PLAUSIBLE, IMPOSSIBLE = 4.5, 8.0


@dataclass
class Tables:
    """Which interval each window of each image lies in, found without the index."""

    index: object
    sums: list[np.ndarray]
    codes: list[np.ndarray]

    @property
    def counts(self):
        return np.array([np.bincount(codes, minlength=self.index.bins) for codes in self.codes])

    @property
    def shares(self):
        return self.counts / self.counts.sum(axis=1, keepdims=True)

    @property
    def pi(self):
        return self.shares.mean(axis=0)


@pytest.fixture(scope='module')
def tables(indexed):
    """Four images of 40, 119, 81 and 182 windows; the first has none in the upper intervals."""
    shapes = [(7, (20, 5, 0)), (12, (8, 8, 6)), (8, (5, 22, 5)), (18, (5, 3, 11))]
    pixels = [banded(*shape, seed) for seed, shape in enumerate(shapes)]
    sums = [sobel_sums(image) for image in pixels]

    def made(**rule):
        index = indexed(pixels, WINDOW, **rule)
        return Tables(index, sums, [np.digitize(values / WINDOW**2, index.edges[1:-1]) for values in sums])

    return {
        'three': made(edges=(0, 20, 80, 400)),
        'five': made(edges=(0, 10, 30, 60, 120, 400)),
        'gap': made(edges=(0, 20, 80, 80.01, 400)),
        'equal': made(bins=6, spacing='quantile'),
    }


def drawn(sampler, tables, batch_size, seed, batches=BATCHES):
    """(batches, images, intervals) patches, and by image how often each of its windows was drawn."""
    draws = [sampler.draw(batch_generator(seed, 0, k * batch_size), batch_size, k) for k in range(batches)]
    images, positions, intervals = (
        np.stack([getattr(d, n) for d in draws]) for n in ('images', 'positions', 'intervals')
    )
    found = np.zeros((batches, len(tables.codes), tables.index.bins), int)
    np.add.at(found, (np.arange(batches)[:, None], images, intervals), 1)
    times = [np.bincount(positions[images == i], minlength=codes.size) for i, codes in enumerate(tables.codes)]
    starts = np.cumsum([0, *(codes.size for codes in tables.codes)])
    assert (np.concatenate(tables.codes)[starts[images] + positions] == intervals).all()
    return found, times


def deviation(found, expected):
    """Largest difference of a mean from its expectation, in standard errors."""
    off = np.abs(found.mean(axis=0) - expected)
    error = found.std(axis=0) / np.sqrt(len(found))
    # Numbers that are the same in every batch have no error; rounding leaves a few patches of them.
    return float((off / np.maximum(error, 10 / len(found))).max())


def windows_fit(tables, windows):
    """Smallest p-value, times their number, that windows of one image and interval are equally likely."""
    cells = []
    for image, codes in enumerate(tables.codes):
        for interval in range(tables.index.bins):
            times = windows[image][codes == interval]
            if times.sum() >= 5 * times.size > 5:
                cells.append(chisquare(times).pvalue)
    assert len(cells) > 3
    return min(cells) * len(cells)


def candidate_sets(number, candidates):
    return list(combinations(range(number), min(candidates, number)))


def by_share(tables, q, batch_size, candidates, weights=None):
    """q_k times the probability of an image for interval k: its share among the candidates, or all if they lack it."""
    weights = tables.shares if weights is None else weights
    sets = candidate_sets(len(weights), candidates)
    law = np.zeros_like(weights, float)
    occupied = np.flatnonzero(weights.any(axis=0))
    for k in range(weights.shape[1]):
        target = min(occupied, key=lambda other: (abs(other - k), other))
        for chosen in sets:
            among = np.zeros(len(weights))
            among[list(chosen)] = weights[list(chosen), k]
            among = among if among.any() else weights[:, target]
            law[:, target] += q[k] * among / among.sum() / len(sets)
    return batch_size * law


def strength(tables, t):
    powers = np.where(tables.pi > 0, np.maximum(tables.pi, 1e-300) ** (1 - t), float(t == 1))
    return powers / powers.sum()


@pytest.mark.parametrize('kind', ['rfs', 'rejection'])
@pytest.mark.parametrize(
    ('rule', 't', 'batch_size', 'candidates'),
    [('five', 0.0, 4, 4), ('five', 0.5, 5, 2), ('three', 0.25, 4, 3), ('gap', 0.0, 3, 4), ('gap', 1.0, 3, 4)],
)
def test_balanced(tables, sampler_of, kind, rule, t, batch_size, candidates):
    store = tables[rule]
    sampler = sampler_of(kind, store.index, candidates, lambda image, at: sums_at(store, image, at), balance=t)
    batches = BATCHES if kind == 'rfs' else 800
    found, windows = drawn(sampler, store, batch_size, seed=1, batches=batches)
    right = by_share(store, strength(store, t), batch_size, candidates)
    assert deviation(found, right) < PLAUSIBLE
    served = found.sum(axis=(0, 1))
    assert np.abs(served - batches * right.sum(axis=0)).max() < 10  # quotas leave nothing to chance
    near = by_share(store, strength(store, abs(t - 0.03)), batch_size, candidates)
    assert np.abs(served - batches * near.sum(axis=0)).max() > 0.015 * batches
    if kind == 'rejection':
        return
    assert windows_fit(store, windows) > 1e-3
    wrong = {
        'images by count': by_share(store, strength(store, t), batch_size, candidates, store.counts.astype(float)),
        'images alike': by_share(store, strength(store, t), batch_size, candidates, (store.counts > 0) * 1.0),
    }
    if rule == 'gap' and t == 1:
        wrong['the empty interval left out'] = by_share(store, np.array([1, 1, 0, 1]) / 3, batch_size, candidates)
    for name, law in wrong.items():
        assert deviation(found, law) > IMPOSSIBLE, name


def sums_at(store, image, at):
    """A sum in the window's interval, for samplers that measure."""
    thresholds = [0, *store.index.thresholds.tolist()]
    return thresholds[store.codes[image][at]]


@pytest.mark.parametrize(('rule', 'batch_size'), [('five', 4), ('equal', 6), ('gap', 5)])
def test_strength_0_over_all_images_is_the_law_of_uniform(tables, sampler_of, rule, batch_size):
    store = tables[rule]
    uniform = np.array([[1 / len(store.codes) / codes.size] * codes.size for codes in store.codes], dtype=object)
    # By enumeration: q_k times the share of the image over that of all images, times one of the windows.
    law = by_share(store, strength(store, 0), 1, 4)
    for image, codes in enumerate(store.codes):
        per_window = law[image, codes] / store.counts[image, codes]
        assert per_window == pytest.approx(uniform[image], rel=1e-9)
    # By drawing: the same expectation in every (image, interval), of this sampler and of uniform itself.
    expected = batch_size * store.shares / len(store.codes)
    for sampler in (
        sampler_of('rfs', store.index, 'all', balance=0.0),
        sampler_of('uniform', store.index, 'all'),
        sampler_of('uniform', store.index, 2),
    ):
        found, windows = drawn(sampler, store, batch_size, seed=2)
        assert deviation(found, expected) < PLAUSIBLE
        assert windows_fit(store, windows) > 1e-3
    pooled = store.counts / store.counts.sum()
    assert deviation(found, batch_size * pooled) > IMPOSSIBLE  # every window alike, whatever its image


def test_strata_of_equal_shares_lower_the_variance_of_the_mean(tables, sampler_of):
    store, batch_size = tables['equal'], 6
    assert store.index.bins == 6
    assert np.ptp(store.counts.sum(axis=0) / store.counts.sum()) < 0.02
    means = {}
    for name, sampler in (
        ('uniform', sampler_of('uniform', store.index, 'all')),
        ('strata', sampler_of('rfs', store.index, 'all', balance=0.0)),
    ):
        batches = [sampler.draw(batch_generator(3, 0, k * 6), batch_size, k) for k in range(3000)]
        pics = [[store.sums[i][p] for i, p in zip(each.images, each.positions, strict=True)] for each in batches]
        means[name] = np.mean(pics, axis=1) / WINDOW**2
    error = np.sqrt(sum(values.var() / values.size for values in means.values()))
    assert abs(means['uniform'].mean() - means['strata'].mean()) < PLAUSIBLE * error
    assert means['strata'].var() < 0.5 * means['uniform'].var()


def band_law(store, batch_size, rule, quantiles=None):
    """Patches from every (image, interval) when a share of the batch comes from a band of quantiles."""
    low, high = quantiles or rule.quantiles
    ends = np.cumsum(store.shares, axis=1)
    starts = ends - store.shares
    inside = np.clip(np.minimum(ends, high) - np.maximum(starts, low), 0, None) / (high - low)
    return batch_size * (rule.share * inside + (1 - rule.share) * store.shares) / len(store.codes)


@pytest.mark.parametrize(
    ('batch_size', 'candidates', 'rule'),
    [
        (4, None, BandRule()),
        (5, 2, BandRule(0.3, (0.6, 1.0))),
        (3, 'all', BandRule(1.0, (0.1, 0.35))),
        (2, 3, BandRule(0.0, (0.0, 0.5))),
    ],
)
def test_band(tables, sampler_of, batch_size, candidates, rule):
    store = tables['five']
    found, windows = drawn(sampler_of('band', store.index, candidates, band=rule), store, batch_size, seed=4)
    assert deviation(found, band_law(store, batch_size, rule)) < PLAUSIBLE
    assert windows_fit(store, windows) > 1e-3
    low, high = rule.quantiles
    wrong = {'another share': band_law(store, batch_size, BandRule(abs(rule.share - 0.3), rule.quantiles))}
    if rule.share:
        wrong['a shifted band'] = band_law(store, batch_size, rule, (low - 0.1, high - 0.1))
    for name, law in wrong.items():
        assert deviation(found, law) > IMPOSSIBLE, name


def test_patches_from_the_band_are_rounded_like_quotas(tables, sampler_of):
    store = tables['five']
    # The uppermost windows of every image but the first: a tenth of a batch of 5, one patch in every other batch.
    sampler = sampler_of('band', store.index, None, band=BandRule(0.1, (0.999999, 1.0)))
    top = [np.flatnonzero(row)[-1] for row in store.counts]
    uniform = sampler_of('band', store.index, None, band=BandRule(0.0))
    changed = []
    for number in range(400):
        one, other = (each.draw(batch_generator(5, 0, number), 5, number) for each in (sampler, uniform))
        differ = (one.images != other.images) | (one.intervals != other.intervals)
        assert (one.images == other.images).all()
        assert all(one.intervals[at] == top[one.images[at]] for at in np.flatnonzero(differ))
        changed.append(int(differ.sum()))
    assert max(changed) == 1
    # One in two batches has the patch; it differs from the uniform one where that is not in the top interval already.
    assert 100 < sum(changed) <= 200


def spread_law(store, batch_size, candidates, ties='random', order='rarest'):
    """Patches from every (image, interval), each place to the least used candidate that has the interval."""
    bins = store.index.bins
    assert batch_size % bins == 0
    places = np.repeat(np.arange(bins), batch_size // bins)
    places = places[np.argsort(store.pi[places] * (1 if order == 'rarest' else -1), kind='stable')]
    law = np.zeros(store.counts.shape)
    sets = candidate_sets(len(store.codes), candidates)

    def fill(at, used, chance, chosen):
        if at == len(places):
            return
        k = places[at]
        able = [i for i in chosen if store.counts[i, k]]
        if not able:
            law[:, k] += chance * store.shares[:, k] / store.shares[:, k].sum()
            fill(at + 1, used, chance, chosen)
            return
        least = min(used[i] for i in able)
        tied = [i for i in able if used[i] == least]
        tied = tied[:1] if ties == 'first' else tied
        for image in tied:
            law[image, k] += chance / len(tied)
            fill(at + 1, {**used, image: used[image] + 1}, chance / len(tied), chosen)

    for chosen in sets:
        fill(0, dict.fromkeys(chosen, 0), 1 / len(sets), chosen)
    return law


@pytest.mark.parametrize(
    ('rule', 'batch_size', 'candidates', 'few'),
    [
        ('three', 3, 2, 64),
        ('three', 3, 3, 64),
        ('three', 3, 'all', 64),
        ('three', 3, 'all', 0),
        ('five', 5, 3, 64),
        ('five', 5, 4, 64),
        ('five', 5, 4, 0),
        ('three', 6, 1, 64),
    ],
)
def test_spread(tables, sampler_of, monkeypatch, rule, batch_size, candidates, few):
    monkeypatch.setattr(module_of_candidates, '_FEW', few)
    store = tables[rule]
    number = 4 if candidates == 'all' else candidates
    found, windows = drawn(sampler_of('rfs', store.index, candidates, image_choice='spread'), store, batch_size, seed=6)
    assert deviation(found, spread_law(store, batch_size, number)) < PLAUSIBLE
    assert windows_fit(store, windows) > 1e-3
    q = np.full(store.index.bins, 1 / store.index.bins)
    wrong = {'by share': by_share(store, q, batch_size, number)}
    wrong['ties to the first'] = spread_law(store, batch_size, number, ties='first')
    if number > 2:
        wrong['commonest first'] = spread_law(store, batch_size, number, order='commonest')
    for name, law in wrong.items():
        if number > 1:
            assert deviation(found, law) > IMPOSSIBLE, name


@pytest.mark.parametrize('candidates', [3, 'all'])
def test_spread_uses_as_many_images_as_a_greedy_choice_can(tables, sampler_of, candidates):
    store = tables['five']
    sampler = sampler_of('rfs', store.index, candidates, image_choice='spread')
    for number in range(200):
        images = sampler.draw(batch_generator(7, 0, number), 8, number).images
        times = Counter(images.tolist())
        # Where no candidate has an interval, the whole data set serves it.
        assert len(times) >= 3
        assert candidates == 3 or max(times.values()) <= 4
