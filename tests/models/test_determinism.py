"""``deterministic: true``: the same bits from the same seed, on a GPU too."""

import os

import pytest
import torch


@pytest.fixture(autouse=True)
def _as_before(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, 'benchmark', True)
    monkeypatch.setattr(torch.utils.deterministic, 'fill_uninitialized_memory', True)
    monkeypatch.delenv('CUBLAS_WORKSPACE_CONFIG', raising=False)
    yield
    torch.use_deterministic_algorithms(False)


def test_only_a_run_that_asks_for_it_computes_deterministically(build):
    build()
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.backends.cudnn.benchmark
    assert 'CUBLAS_WORKSPACE_CONFIG' not in os.environ
    build(train={'deterministic': True})
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.is_deterministic_algorithms_warn_only_enabled()
    assert not torch.backends.cudnn.benchmark
    assert os.environ['CUBLAS_WORKSPACE_CONFIG'] == ':4096:8'
    assert not torch.utils.deterministic.fill_uninitialized_memory


def test_a_users_workspace_stays(build, monkeypatch):
    monkeypatch.setenv('CUBLAS_WORKSPACE_CONFIG', ':16:8')
    build(train={'deterministic': True})
    assert os.environ['CUBLAS_WORKSPACE_CONFIG'] == ':16:8'


@pytest.mark.parametrize('amp', [None, 'bf16'])
def test_two_trainings_end_with_the_same_bits(build, batches, train, device, amp):
    switches = {'deterministic': True, 'amp': amp, 'channels_last': True, 'fused': True}
    first, second = (
        train(build(num_gpu=int(device.type == 'cuda'), train=switches), batches(8)).net_g.state_dict()
        for _ in range(2)
    )
    for name, value in first.items():
        assert torch.equal(second[name], value), name
