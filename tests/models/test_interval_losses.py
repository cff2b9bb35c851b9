import numpy as np
import pytest
import torch

from bsr_plugin.models.interval_losses import IntervalLosses
from bsr_plugin.models.ranks import Ranks
from bsr_plugin.models.training_state import plain


@pytest.fixture
def losses():
    def make(device='cpu', intervals=4, rank=0, size=1):
        ranks = Ranks()
        ranks.rank, ranks.size = rank, size
        return IntervalLosses(intervals, ranks, torch.device(device))

    return make


def test_an_epoch_counts_in_the_next_and_half_as_much_in_the_one_after(losses, device):
    found = losses(device)
    assert np.isnan(found.begin_epoch(0)).all()
    found.add(torch.tensor([0, 2, 2], device=device), torch.tensor([3.0, 1.0, 7.0], device=device))
    assert np.isnan(found.begin_epoch(0)).all()  # the same epoch, as in a run that is resumed
    first = found.begin_epoch(1)
    np.testing.assert_allclose(first, [3, np.nan, 5, np.nan])
    found.add(torch.tensor([0, 1], device=device), torch.tensor([1.0, 2.0], device=device))
    assert found.begin_epoch(1).tolist()[0] == 3
    # (9 / 2 + 1) / (1 / 2 + 1), and 25 as before: nothing was added there.
    np.testing.assert_allclose(found.begin_epoch(2), [(5.5 / 1.5) ** 0.5, 2, 5, np.nan])


def test_a_saved_state_goes_on_in_the_middle_of_an_epoch(losses, tmp_path):
    generator = torch.Generator().manual_seed(0)
    batches = [(torch.randint(4, (8,), generator=generator), torch.rand(8, generator=generator)) for _ in range(9)]

    def go_on(found, first):
        for number in range(first, 9):
            if number % 3 == 0 or number == first:
                found.begin_epoch(number // 3)
            found.add(*batches[number])
            if number == 4:
                torch.save(plain(found.state_dict()), tmp_path / 'saved')
        return found.begin_epoch(3)

    expected = go_on(losses(), 0)
    resumed = losses()
    resumed.load_state_dict(torch.load(tmp_path / 'saved', weights_only=True))
    assert go_on(resumed, 5).tolist() == expected.tolist()


def test_a_state_is_not_changed_by_what_comes_after_it(losses):
    found = losses()
    found.add(torch.tensor([1]), torch.tensor([2.0]))
    state = plain(found.state_dict())
    found.add(torch.tensor([1]), torch.tensor([9.0]))
    found.begin_epoch(1)
    assert state['collected'][0].tolist() == [[0, 4, 0, 0], [0, 1, 0, 0]]
    assert not state['over'].any()


def test_without_losses_or_with_other_intervals_it_starts_anew(losses):
    other = losses(intervals=5)
    other.add(torch.tensor([1]), torch.tensor([2.0]))
    found = losses()
    for state in ({}, other.state_dict()):
        found.load_state_dict(state)
        assert np.isnan(found.begin_epoch(7)).all()


@pytest.mark.parametrize('ranks', [1, 2, 3, 5])
def test_other_ranks_share_what_was_collected(losses, ranks):
    state = {'epoch': 2, 'over': torch.zeros(2, 4, dtype=torch.float64)}
    state['collected'] = [torch.full((2, 4), float(10**rank), dtype=torch.float64) for rank in range(3)]
    own = []
    for rank in range(ranks):
        found = losses(rank=rank, size=ranks)
        found.load_state_dict(state)
        own.append(found.state_dict()['collected'][0][0, 0].item())
    assert own == {1: [111], 2: [101, 10], 3: [1, 10, 100], 5: [1, 10, 100, 0, 0]}[ranks]
