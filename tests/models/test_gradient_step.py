import pytest
import torch
from torch import nn

from bsr_plugin.errors import InputError
from bsr_plugin.models.failures import NonFiniteError
from bsr_plugin.models.gradient_step import GradientStep

CPU = torch.device('cpu')


def net_and_optimizer(device=CPU):
    torch.manual_seed(0)
    net = nn.Linear(4, 3).to(device)
    return net, torch.optim.SGD(net.parameters(), 1.0)


def loss_of(output):
    """Small enough for fp16's gradients to stay below its largest number with the scaler's first scale."""
    return 1e-3 * output.float().square().sum()


def one_step(amp=None, grad_clip=None, device=CPU):
    net, optimizer = net_and_optimizer(device)
    before = net.weight.detach().clone()
    step = GradientStep(amp, grad_clip, device)
    with step.autocast():
        output = net(torch.ones(2, 4, device=device))
    step.backward(loss_of(output))
    step.update(optimizer, list(net.parameters()))
    return before - net.weight.detach(), output, step


def test_without_options_it_is_a_plain_step():
    change, output, step = one_step()
    net, _ = net_and_optimizer()
    loss_of(net(torch.ones(2, 4))).backward()
    torch.testing.assert_close(change, net.weight.grad, rtol=1e-4, atol=1e-7)
    assert output.dtype == torch.float32
    assert step.state_dict() == {}


@pytest.mark.parametrize(('amp', 'dtype'), [('bf16', torch.bfloat16), ('fp16', torch.float16)])
def test_mixed_precision_computes_in_its_type_and_steps_like_float32(amp, dtype, device):
    change, output, _ = one_step(amp, device=device)
    plain, _, _ = one_step(device=device)
    assert output.dtype == dtype
    torch.testing.assert_close(change, plain, rtol=0.02, atol=2e-5)
    assert not torch.equal(change, plain)


@pytest.mark.parametrize('amp', [None, 'fp16'])
def test_the_norm_of_all_gradients_is_clipped_and_their_direction_kept(amp, device):
    net, optimizer = net_and_optimizer(device)
    before = nn.utils.parameters_to_vector(net.parameters()).detach().clone()
    step = GradientStep(amp, 1e-4, device)
    with step.autocast():
        loss = loss_of(net(torch.ones(2, 4, device=device)))
    step.backward(loss)
    step.update(optimizer, list(net.parameters()))
    clipped = before - nn.utils.parameters_to_vector(net.parameters()).detach()
    assert clipped.norm().item() == pytest.approx(1e-4, rel=1e-3)
    free, _, _ = one_step(amp, device=device)
    cosine = torch.cosine_similarity(clipped[:12], free.flatten(), 0)
    assert cosine.item() == pytest.approx(1, abs=1e-3)


def test_with_fp16_an_overflow_is_skipped_and_the_scale_falls_and_is_saved(device):
    net, optimizer = net_and_optimizer(device)
    before = net.weight.detach().clone()
    step = GradientStep('fp16', None, device)
    step.backward(net(torch.ones(2, 4, device=device)).sum() * torch.finfo(torch.float32).max)
    step.update(optimizer, list(net.parameters()))
    assert torch.equal(net.weight, before)
    assert step.state_dict()['scale'] == 2.0**15
    resumed = GradientStep('fp16', None, device)
    resumed.load_state_dict(step.state_dict())
    assert resumed.state_dict() == step.state_dict()
    resumed.load_state_dict({})
    assert resumed.state_dict()['scale'] == 2.0**15


def test_a_gpu_without_bf16_is_refused_with_a_sentence(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_bf16_supported', lambda **_: False)
    monkeypatch.setattr(torch.cuda, 'get_device_name', lambda: 'Tesla T4')
    GradientStep('bf16', None, CPU)
    GradientStep(None, None, torch.device('cuda'))
    with pytest.raises(InputError, match=r'train\.amp is bf16, which the Tesla T4 does not compute: use fp16 or ~'):
        GradientStep('bf16', None, torch.device('cuda'))


def test_fp16_steps_that_are_all_skipped_end_the_run():
    net, optimizer = net_and_optimizer()
    before = net.weight.detach().clone()
    step = GradientStep('fp16', None, CPU)
    for _ in range(45):
        step.check()
        # Its value is 0 and its gradient 0/0.
        step.backward((0 * net.weight).sum().sqrt())
        step.update(optimizer, list(net.parameters()))
        optimizer.zero_grad()
        if step.state_dict()['scale'] < 2**-24:
            break
    assert torch.equal(net.weight, before)
    assert step.state_dict()['scale'] == 2**-25
    with pytest.raises(NonFiniteError, match=r'scale is 2.98\d*e-08 and nothing is learned: set train.amp to'):
        step.check()
    GradientStep('bf16', None, CPU).check()
