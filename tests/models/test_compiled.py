import logging

import pytest
import torch
from torch import nn

from bsr_plugin.models import compiled
from bsr_plugin.models.compiled import MaybeCompiled

LOGGER = logging.getLogger('compiled')


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
    maybe = MaybeCompiled(net, True, LOGGER)

    def step(network):
        net.zero_grad()
        network(torch.ones(1, 2)).sum().backward()
        return net.weight.grad.clone()

    assert torch.equal(maybe.run(step), torch.ones(2, 2))
    assert torch.equal(maybe.run(step), torch.ones(2, 2))
    assert [record.getMessage() for record in caplog.records] == [
        'torch.compile failed, training goes on without it: InvalidCxxCompiler: no working C++ compiler'
    ]


def test_errors_that_are_not_the_compilers_are_raised(net, caplog):
    def broken(network):
        raise ValueError('wrong shape')

    with pytest.raises(ValueError, match='wrong shape'):
        MaybeCompiled(net, True, LOGGER).run(broken)
    with pytest.raises(ValueError, match='wrong shape'):
        MaybeCompiled(net, False, LOGGER).run(broken)


def test_once_it_has_worked_an_error_is_not_the_compilers(net, monkeypatch):
    monkeypatch.setattr(compiled.torch, 'compile', lambda network, dynamic: network)
    maybe = MaybeCompiled(net, True, LOGGER)
    calls = []
    maybe.run(calls.append)

    def broken(network):
        calls.append(network)
        raise MemoryError

    with pytest.raises(MemoryError):
        maybe.run(broken)
    assert len(calls) == 2
