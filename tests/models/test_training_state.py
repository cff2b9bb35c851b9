import io
import random
from collections import Counter, OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from bsr_plugin.models.training_state import (
    lay_out_like_parameters,
    plain,
    random_state,
    set_random_state,
    with_kernels_of,
)


def through_a_file(content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


def test_random_numbers_go_on_after_a_file_round_trip():
    random.gauss(0, 1)
    saved = through_a_file(plain(random_state()))

    def draw():
        return [random.random(), random.gauss(0, 1), *np.random.rand(2), np.random.randn(), *torch.rand(2).tolist()]  # noqa: NPY002

    expected = draw()
    draw()
    set_random_state(saved)
    assert draw() == expected


def test_containers_become_plain_and_keep_their_values():
    value = {
        'a': OrderedDict(x=(1, np.float64(0.5))),
        'b': [Counter([3, 3]), np.int64(4), None, True, 'c', float('inf')],
    }
    got = through_a_file(plain(value))
    assert got == {'a': {'x': (1, 0.5)}, 'b': [{3: 2}, 4, None, True, 'c', float('inf')]}
    assert type(got['a']) is dict
    assert type(got['a']['x'][1]) is float


def test_what_could_not_be_read_back_is_an_error_when_saving():
    with pytest.raises(TypeError, match='cannot hold'):
        plain({'a': object()})


def trained(fused, layout, steps=3):
    torch.manual_seed(0)
    net = nn.Conv2d(3, 4, 3).to(memory_format=layout)
    optimizer = torch.optim.Adam(net.parameters(), 0.1, fused=fused)
    _continue(net, optimizer, steps)
    return net, optimizer


def _continue(net, optimizer, steps):
    generator = torch.Generator().manual_seed(5)
    for _ in range(steps):
        optimizer.zero_grad()
        net(torch.rand(1, 3, 5, 5, generator=generator)).square().sum().backward()
        optimizer.step()


@pytest.mark.parametrize('saved_fused', [None, True])
@pytest.mark.parametrize('saved_layout', [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize('fused', [None, True])
def test_an_optimizer_goes_on_with_other_kernels_and_another_layout(saved_fused, saved_layout, fused, layout):
    source, old = trained(saved_fused, saved_layout)
    state = through_a_file(plain(old.state_dict()))
    _continue(source, old, 2)
    net, optimizer = trained(fused, layout, steps=0)
    start, _ = trained(saved_fused, saved_layout)
    net.load_state_dict(start.state_dict())
    optimizer.load_state_dict(with_kernels_of(optimizer, state))
    lay_out_like_parameters(optimizer)
    assert optimizer.param_groups[0]['fused'] is fused
    moments = optimizer.state[net.weight]['exp_avg']
    assert moments.stride() == net.weight.stride()
    _continue(net, optimizer, 2)
    torch.testing.assert_close(net.weight, source.weight, rtol=1e-6, atol=1e-7)
