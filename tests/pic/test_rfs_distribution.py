"""``rfs`` draws from the distribution of the accept-and-reject loop, and these tests would notice if it did not.

A chi-square test over every (image, window) of an interval compares draws with the probabilities that follow from the
loop of Table 1, computed here by brute force, and with draws of the loop. The same tests are then given samplers that
are wrong in ways that are easy to get wrong, and have to reject them.
"""

from collections import Counter
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import chi2_contingency, chisquare

from bsr_plugin.pic.draws import Draws, batch_generator
from bsr_plugin.pic.quotas import quotas as rounded
from tests.pic.brute_force import WINDOW, banded, sobel_sums

#: A right sampler stays above the first in all cases (the draws are seeded), a wrong one falls below the second.
PLAUSIBLE, IMPOSSIBLE = 1e-3, 1e-8


def quotas(batch_size, bins, batch_index):
    return rounded(np.full(bins, 1 / bins), batch_size, batch_index)


@dataclass
class Store:
    """The index of a store, and which interval each window lies in, found without it."""

    index: object
    sums: list[np.ndarray]
    binned: list[np.ndarray]
    found: dict = field(default_factory=dict)

    def share(self, image, interval):
        return self.count(image, interval) / self.binned[image].size

    def count(self, image, interval):
        return self.windows(image, interval).size

    def windows(self, image, interval):
        if (image, interval) not in self.found:
            self.found[image, interval] = np.flatnonzero(self.binned[image] == interval)
        return self.found[image, interval]

    def measure(self, image, position):
        return int(self.sums[image][position])


@pytest.fixture(scope='module')
def stores(indexed):
    """Four images of 40, 119, 81 and 182 windows that hold the intervals in very different shares."""
    shapes = [(7, (20, 2, 3)), (12, (8, 8, 6)), (8, (5, 22, 5)), (18, (5, 3, 11))]
    pixels = [banded(*shape, seed) for seed, shape in enumerate(shapes)]
    rules = {
        'three': {'edges': (0, 20, 80, 400)},
        'one': {'bins': 1},
        'five': {'edges': (0, 10, 30, 60, 120, 400)},
        'gap': {'edges': (0, 20, 80, 80.01, 400)},
    }

    def store(rule):
        sums = [sobel_sums(image) for image in pixels]
        inner = np.array(rule.get('edges', (0, 1))[1:-1]) * WINDOW**2
        return Store(indexed(pixels, WINDOW, **rule), sums, [np.digitize(values, inner) for values in sums])

    return {name: store(rule) for name, rule in rules.items()}


@dataclass
class Case:
    """A store, batch size N, candidates M; with fewer candidates than images only a batch's first draw counts."""

    rule: str
    batch_size: int
    candidates: int

    @property
    def independent(self):
        return self.candidates >= 4


CASES = [
    Case('three', 7, 9),  # M larger than the number of images, quotas that rotate
    Case('three', 3, 2),  # M smaller than the number of images, and than N
    Case('three', 3, 1),
    Case('five', 2, 3),  # fewer patches than intervals
    Case('one', 1, 2),
    Case('gap', 8, 4),  # an interval that no image has
]


def exact_law(store, candidates):
    """Probability of every window of an interval, averaged over all sets of candidates."""
    number = len(store.binned)
    sets = list(combinations(range(number), min(candidates, number)))
    law = {}
    for interval in {int(b) for binned in store.binned for b in binned}:
        chance = np.zeros(number)
        for chosen in sets:
            shares = np.array([store.share(i, interval) * (i in chosen) for i in range(number)])
            if not shares.any():  # widened to the whole data set
                shares = np.array([store.share(i, interval) for i in range(number)])
            chance += shares / shares.sum() / len(sets)
        law[interval] = {
            (image, int(position)): chance[image] / store.count(image, interval)
            for image in range(number)
            for position in store.windows(image, interval)
        }
    return law


def collect(sampler, case, seed, batches=4000):
    """How often every window was drawn, by interval."""
    seen = {}
    for number in range(batches):
        draws = sampler.draw(batch_generator(seed, 0, number), case.batch_size, number)
        counted = set()
        for image, position, interval in zip(
            draws.images.tolist(), draws.positions.tolist(), draws.intervals.tolist(), strict=True
        ):
            if case.independent or interval not in counted:
                seen.setdefault(interval, Counter())[image, position] += 1
                counted.add(interval)
    return seen


def by_image(counts):
    """Adds up the windows of every image: less detail, so that errors in the choice of images stand out more."""
    total = Counter()
    for (image, _), number in counts.items():
        total[image] += number
    return total


def fits(seen, law):
    """Smallest p-value over the intervals, by window and by image, corrected for the number of tests."""
    assert set(seen) == set(law)
    worst = 1.0
    for interval in law:
        for expected, observed in (
            (law[interval], seen[interval]),
            (by_image(law[interval]), by_image(seen[interval])),
        ):
            cells = sorted(expected)
            if set(observed) - set(cells):
                return 0.0
            if len(cells) > 1:
                chance = np.array([expected[cell] for cell in cells])
                drawn = np.array([observed[cell] for cell in cells])
                worst = min(worst, chisquare(drawn, chance / chance.sum() * drawn.sum()).pvalue)
    return worst * 2 * len(seen)


def agree(first, second):
    """The same for two samples."""
    assert set(first) == set(second)
    worst = 1.0
    for interval in first:
        for one, other in (
            (first[interval], second[interval]),
            (by_image(first[interval]), by_image(second[interval])),
        ):
            cells = sorted(set(one) | set(other))
            if len(cells) > 1:
                table = [[counts[cell] for cell in cells] for counts in (one, other)]
                worst = min(worst, chi2_contingency(table).pvalue)
    return worst * 2 * len(first)


class Loop:
    """A sampler made of plain loops over brute-force tables, to be wrong on purpose: ``image_of`` picks images."""

    def __init__(self, store, candidates, image_of=None, skip_last=False, replace=False):
        self.store, self.candidates, self.skip_last, self.replace = store, candidates, skip_last, replace
        self.image_of = image_of or by_share

    def draw(self, generator, batch_size, batch_index):
        number, bins = len(self.store.binned), self.store.index.bins
        chosen = generator.choice(
            number, self.candidates if self.replace else min(self.candidates, number), self.replace
        )
        rows = []
        for interval in np.repeat(np.arange(bins), quotas(batch_size, bins, batch_index)).tolist():
            able = [i for i in chosen if self.store.count(i, interval)]
            able = able or [i for i in range(number) if self.store.count(i, interval)]
            image = int(self.image_of(self.store, generator, able, interval))
            windows = self.store.windows(image, interval)
            rows.append((image, int(generator.choice(windows[: max(1, windows.size - self.skip_last)])), interval))
        return Draws(*np.array(rows).T)


def by_share(store, generator, able, interval):
    shares = np.array([store.share(i, interval) for i in able])
    return generator.choice(able, p=shares / shares.sum())


def by_count(store, generator, able, interval):
    counts = np.array([store.count(i, interval) for i in able])
    return generator.choice(able, p=counts / counts.sum())


def equally(store, generator, able, interval):
    return generator.choice(able)


def in_table_order(store, generator, able, interval):
    """The table's sweep: one crop of every image in turn, always from the first image on."""
    while True:
        for image in sorted(able):
            if generator.random() < store.share(image, interval):
                return image


@pytest.fixture(scope='module')
def oracle(sampler_of, stores):
    """Draws of the loop of Table 1, by case."""
    kept = {}

    def draws(at):
        if at not in kept:
            case = CASES[at]
            store = stores[case.rule]
            kept[at] = collect(sampler_of('rejection', store.index, case.candidates, store.measure), case, seed=2)
        return kept[at]

    return draws


@pytest.mark.parametrize('at', range(len(CASES)))
def test_rfs_has_the_law_of_the_loop(sampler_of, stores, oracle, at):
    case = CASES[at]
    store = stores[case.rule]
    law = exact_law(store, case.candidates)
    drawn = collect(sampler_of('rfs', store.index, case.candidates, None), case, seed=1)
    assert fits(drawn, law) > PLAUSIBLE
    assert fits(oracle(at), law) > PLAUSIBLE
    assert agree(drawn, oracle(at)) > PLAUSIBLE


@pytest.mark.parametrize('at', [0, 1, 3])
def test_plain_loops_over_tables_have_the_law_too(stores, oracle, at):
    case = CASES[at]
    drawn = collect(Loop(stores[case.rule], case.candidates), case, seed=4, batches=2000)
    assert fits(drawn, exact_law(stores[case.rule], case.candidates)) > PLAUSIBLE
    assert agree(drawn, oracle(at)) > PLAUSIBLE


@pytest.mark.parametrize(
    ('at', 'wrong', 'batches'),
    [
        (0, {'image_of': by_count}, 1000),
        (0, {'image_of': equally}, 1000),
        (0, {'image_of': in_table_order}, 1000),
        (0, {'skip_last': True}, 1500),
        (1, {'image_of': by_count}, 2000),
        (1, {'image_of': in_table_order}, 3000),
        (1, {'replace': True}, 4000),
        (1, {'candidates': 4}, 1000),
        (2, {'candidates': 2}, 1000),
        (3, {'image_of': equally}, 1000),
        (4, {'image_of': by_count}, 2000),
    ],
)
def test_a_wrong_law_is_noticed(stores, oracle, at, wrong, batches):
    case = CASES[at]
    store = stores[case.rule]
    drawn = collect(Loop(store, **{'candidates': case.candidates, **wrong}), case, 3, batches)
    assert fits(drawn, exact_law(store, case.candidates)) < IMPOSSIBLE
    assert agree(drawn, oracle(at)) < IMPOSSIBLE


def test_a_single_interval_is_uniform_sampling(sampler_of, stores):
    store = stores['one']
    drawn = collect(sampler_of('uniform', store.index, 2, None), CASES[4], seed=5)
    assert fits(drawn, exact_law(store, 2)) > PLAUSIBLE


@pytest.mark.parametrize('kind', ['rfs', 'rejection'])
def test_counts_of_an_empty_interval_are_exact(sampler_of, stores, kind):
    store = stores['gap']
    assert store.index.counts.sum(axis=0)[2] == 0
    sampler = sampler_of(kind, store.index, 4, store.measure)
    for batch_index in range(12):
        # Three of four intervals get 2 patches each in turn, one 3; the empty one's go to the lower neighbour.
        draws = sampler.draw(batch_generator(0, 0, batch_index), 9, batch_index)
        asked = quotas(9, 4, batch_index).tolist()
        assert np.bincount(draws.intervals, minlength=4).tolist() == [asked[0], asked[1] + asked[2], 0, asked[3]]
        assert (draws.widened, draws.displaced) == (0, asked[2])


@pytest.mark.parametrize('candidates', [1, 2, 3])
def test_rfs_and_the_loop_widen_alike(sampler_of, stores, candidates):
    store = stores['five']
    samplers = [sampler_of(kind, store.index, candidates, store.measure) for kind in ('rfs', 'rejection')]
    widened = []
    for number in range(300):
        batches = [sampler.draw(batch_generator(0, 0, number), 10, number) for sampler in samplers]
        assert batches[0].widened == batches[1].widened
        widened.append(batches[0].widened)
    missing = [
        np.mean([not any(store.share(i, b) for i in chosen) for b in range(5)])
        for chosen in combinations(range(4), candidates)
    ]
    # Mean number of widened patches: 10 times the share of intervals that a random set of candidates lacks.
    assert np.mean(widened) == pytest.approx(10 * np.mean(missing), abs=0.6)
    assert (max(widened) > 0) == any(missing)
