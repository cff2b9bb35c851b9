import logging

import pytest
import torch
from torch import nn

from bsr_plugin.models import compiled
from bsr_plugin.models.compiled import MaybeCompiled
from bsr_plugin.models.ranks import Ranks

LOGGER = logging.getLogger('compiled')


def maybe_compiled(net, enabled=True):
    return MaybeCompiled(net, enabled, Ranks(), LOGGER)


@pytest.fixture
def net():
    return nn.Linear(2, 2)


def failing(where):
    def fail(*_):
        raise RuntimeError('InvalidCxxCompiler: no working C++ compiler\nmore lines')

    class InBackward(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            fail()

    def compile_(network, dynamic):
        if where == 'at once':
            fail()
        return fail if where == 'forward' else lambda x: InBackward.apply(network(x))

    return compile_


@pytest.mark.parametrize('where', ['at once', 'forward', 'backward'])
def test_where_compiling_fails_training_goes_on_with_a_message(net, monkeypatch, caplog, where):
    monkeypatch.setattr(compiled.torch, 'compile', failing(where))
    maybe = maybe_compiled(net)

    def step(network):
        net.zero_grad()
        network(torch.ones(1, 2)).sum().backward()
        return net.weight.grad.clone()

    assert torch.equal(maybe.run(step), torch.ones(2, 2))
    assert torch.equal(maybe.run(step), torch.ones(2, 2))
    assert [record.getMessage() for record in caplog.records] == [
        'torch.compile failed; continuing in eager mode: InvalidCxxCompiler: no working C++ compiler'
    ]


def test_errors_that_are_not_the_compilers_are_raised(net, caplog):
    def broken(network):
        raise ValueError('wrong shape')

    with pytest.raises(ValueError, match='wrong shape'):
        maybe_compiled(net).run(broken)
    with pytest.raises(ValueError, match='wrong shape'):
        maybe_compiled(net, enabled=False).run(broken)


def test_once_it_has_worked_an_error_is_not_the_compilers(net, monkeypatch):
    monkeypatch.setattr(compiled.torch, 'compile', lambda network, dynamic: network)
    maybe = maybe_compiled(net)
    calls = []
    maybe.run(calls.append)
    assert len(calls) == 2, 'a rehearsal and the first iteration'

    def broken(network):
        calls.append(network)
        raise ValueError('wrong shape')

    with pytest.raises(ValueError, match='wrong shape'):
        maybe.run(broken)
    assert len(calls) == 3


@pytest.mark.parametrize(
    'error', [torch.OutOfMemoryError('CUDA out of memory.'), RuntimeError('InductorError: CUDA out of memory.')]
)
def test_too_little_memory_is_not_the_compilers_fault(net, monkeypatch, caplog, error):
    monkeypatch.setattr(compiled.torch, 'compile', lambda network, dynamic: network)

    def hungry(network):
        raise error

    with pytest.raises(RuntimeError, match='out of memory'):
        maybe_compiled(net).run(hungry)
    assert not caplog.records


def test_the_rehearsal_leaves_buffers_and_random_numbers_as_they_were(monkeypatch):
    monkeypatch.setattr(compiled.torch, 'compile', lambda network, dynamic: network)
    draws, means = [], []
    for enabled in (False, True):
        torch.manual_seed(0)
        net = nn.Sequential(nn.BatchNorm2d(2), nn.Dropout(0.5))
        maybe_compiled(net, enabled).run(lambda network: draws.append(network(torch.rand(2, 2, 3, 3))))
        means.append(net[0].running_mean)
    assert len(draws) == 3
    assert torch.equal(draws[0], draws[2])
    assert means[0].any()
    assert torch.equal(*means)
