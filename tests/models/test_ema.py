import pytest
import torch
from torch import nn

from bsr_plugin.models.ema import MovingAverage, warmed_up


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(3, 2))
        self.norm = nn.BatchNorm1d(2)
        self.register_buffer('hidden', torch.rand(2), persistent=False)


@pytest.mark.parametrize(('updates', 'decay'), [(0, 0.1), (1, 2 / 11), (90, 0.91), (8989, 0.999), (10**6, 0.999)])
def test_the_decay_rises_from_one_tenth_to_the_one_asked_for(updates, decay):
    assert warmed_up(0.999, updates) == pytest.approx(decay, rel=1e-4)


def test_a_short_run_forgets_where_it_began():
    share = 1.0
    for updates in range(100):
        share *= warmed_up(0.999, updates)
    assert share < 1e-9
    assert 0.999**100 > 0.9, 'without warm-up, nine tenths would be the initial weights'


def test_updates_are_the_moving_average_of_weights_and_buffers_written_out():
    net, average = Net(), Net()
    moving = MovingAverage(average, net)
    moving.copy()
    expected = {name: value.clone().double() for name, value in _all(net).items()}
    for updates in range(5):
        with torch.no_grad():
            for value in _all(net).values():
                value.copy_(torch.rand_like(value) if value.is_floating_point() else value + 1)
        moving.update(0.3)
        decay = min(0.3, (1 + updates) / (10 + updates))
        for name, value in _all(net).items():
            expected[name] = decay * expected[name] + (1 - decay) * value.double()
    for name, value in _all(average).items():
        wanted = expected[name] if value.is_floating_point() else _all(net)[name].double()
        torch.testing.assert_close(value.double(), wanted, rtol=1e-6, atol=1e-7)
    assert {'weight', 'norm.running_mean', 'norm.num_batches_tracked', 'hidden'} <= set(_all(average))
    assert moving.updates == 5


def test_the_warm_up_goes_on_where_it_was_saved():
    net, average = Net(), Net()
    moving, resumed = MovingAverage(average, net), MovingAverage(average, net)
    moving.update(0.9)
    moving.update(0.9)
    resumed.load_state_dict(moving.state_dict())
    assert resumed.updates == 2
    resumed.load_state_dict({})
    assert resumed.updates == 0


def _all(net):
    return dict(net.named_parameters()) | dict(net.named_buffers())
