"""The engine on a GPU against the CPU, which computes as the other tests know it."""

import pytest
import torch
from basicsr.archs import build_network
from basicsr.losses import build_loss

from bsr_plugin.models.loss_watch import LossWatch

#: Smooths Adam's first steps, which otherwise follow the sign of gradients that are nothing but rounding.
SMOOTH = {'optim_g': {'type': 'Adam', 'lr': 1e-3, 'betas': [0.9, 0.99], 'eps': 1e-3}}
SWITCHES = {
    'bf16': {'amp': 'bf16'},
    'fp16': {'amp': 'fp16'},
    'fp16, clipped': {'amp': 'fp16', 'grad_clip': 0.05},
    'channels_last': {'channels_last': True},
    'fused': {'fused': True},
    'accumulate': {'accumulate': 2},
    'all': {'amp': 'bf16', 'channels_last': True, 'fused': True, 'accumulate': 2, 'grad_clip': 1.0},
}


@pytest.fixture(autouse=True)
def _exact(monkeypatch):
    """Float32 is float32, and the same twice: no TF32, no choice of algorithms by time."""
    monkeypatch.setenv('CUBLAS_WORKSPACE_CONFIG', ':4096:8')
    before = torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark
    torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = before


@pytest.fixture
def build_on(build):
    """Builds the small model on a device."""

    def make(device, **changes):
        return build(num_gpu=int(device.type == 'cuda'), **changes)

    return make


def weights(model):
    return {name: value.cpu() for name, value in model.net_g.state_dict().items()}


@pytest.mark.parametrize('attention', ['spatial', 'scalar', 'none'])
@pytest.mark.parametrize('upscale', [3, 4])
def test_the_network_gives_what_it_gives_on_the_cpu(device, attention, upscale):
    network = build_network(
        {'type': 'BSRNet', 'num_feat': 16, 'num_group': 3, 'num_block': 2, 'upscale': upscale, 'attention': attention}
    )
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    images = torch.rand(2, 3, 21, 34)
    with torch.no_grad():
        expected = network(images)
        got = network.to(device)(images.to(device))
    assert got.device.type == device.type
    torch.testing.assert_close(got.cpu(), expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_the_loss_and_its_gradient_are_those_of_the_cpu(device):
    loss, target = build_loss({'type': 'HybridL1L2LpLoss'}), torch.rand(2, 3, 16, 16)
    target[0] = 0.5
    found = []
    for place in (torch.device('cpu'), device):
        output = torch.full((2, 3, 16, 16), 0.5, device=place, requires_grad=True)
        value = loss(output, target.to(place))
        value.backward()
        found.append((value.detach().cpu(), output.grad.cpu()))
    torch.testing.assert_close(found[1], found[0], rtol=1e-5, atol=1e-9)
    assert not found[1][1][0].any(), 'no gradient where the images agree'
    assert found[1][1][1].any()


def test_one_step_has_the_losses_gradients_and_weights_of_the_cpu(build_on, batches, device):
    found = []
    for place in (torch.device('cpu'), device):
        model = build_on(place, train=SMOOTH)
        model.feed_data(batches(1)[0])
        model.optimize_parameters(1)
        gradients = {name: weight.grad.cpu() for name, weight in model.net_g.named_parameters()}
        average = {name: value.cpu() for name, value in model.net_g_ema.state_dict().items()}
        found.append((dict(model.get_current_log()), gradients, weights(model), average))
    torch.testing.assert_close(found[1], found[0], rtol=1e-3, atol=1e-6)


def losses(model, batches, count=20):
    """The loss of every iteration."""
    found = []
    for iteration, batch in enumerate(batches(count), 1):
        model.update_learning_rate(iteration)
        model.feed_data(batch)
        model.optimize_parameters(iteration)
        found.append(float(model.losses['l_pix']))
    return torch.tensor(found)


@pytest.mark.parametrize('switch', SWITCHES)
def test_every_switch_trains_as_float32_does(build_on, batches, device, switch):
    expected = losses(build_on(device, train={'grad_clip': SWITCHES[switch].get('grad_clip')}), batches)
    model = build_on(device, train=SWITCHES[switch])
    got = losses(model, batches)
    torch.testing.assert_close(got, expected, rtol=2e-2 if 'amp' in SWITCHES[switch] else 1e-3, atol=0)
    assert 'amp' not in SWITCHES[switch] or not torch.equal(got, expected)
    if 'channels_last' in SWITCHES[switch]:
        assert model.lq.is_contiguous(memory_format=torch.channels_last)
        assert model.net_g.body[0].blocks[0].conv1.weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.slow
def test_compiled_training_is_the_same_and_saves_the_same_names(build_on, batches, train, device, caplog):
    small = {'num_group': 1, 'num_block': 1}
    model = train(build_on(device, train={'compile': True}, network_g=small), batches(4))
    assert isinstance(model._network._network, torch._dynamo.OptimizedModule)
    assert 'torch.compile failed' not in caplog.text
    plain = train(build_on(device, network_g=small), batches(4))
    assert model.get_current_log() == pytest.approx(plain.get_current_log(), rel=1e-3)
    assert list(model.net_g.state_dict()) == list(plain.net_g.state_dict())
    model.test()
    torch.testing.assert_close(model.output, model.net_g_ema(model.lq).detach())


@pytest.mark.parametrize('amp', [None, 'bf16', 'fp16'])
@pytest.mark.gpu
def test_between_log_lines_the_host_never_waits_for_the_gpu(build_on, batches, amp):
    model = build_on(torch.device('cuda'), train={**SWITCHES['all'], 'amp': amp})
    model._watch = LossWatch(50)
    model.feed_data(batches(1)[0])
    model.optimize_parameters(1)
    torch.cuda.set_sync_debug_mode('error')
    try:
        for iteration, batch in enumerate(batches(4), 2):
            model.update_learning_rate(iteration)
            model.feed_data({name: value.pin_memory() for name, value in batch.items() if name != 'lq_path'})
            model.optimize_parameters(iteration)
        with pytest.raises(RuntimeError, match='synchronizing'):
            model.get_current_log()
    finally:
        torch.cuda.set_sync_debug_mode('default')


@pytest.mark.parametrize('switch', [None, 'fp16, clipped', 'all'])
def test_a_resumed_run_ends_with_the_bits_of_an_uninterrupted_one(build_on, batches, train, tmp_path, device, switch):
    settings = {'train': SWITCHES.get(switch, {})}
    whole = train(build_on(device, root=tmp_path / 'whole', **settings), batches(12))
    train(build_on(device, root=tmp_path / 'cut', **settings), batches(12), last=5, save_at=(5,))
    torch.rand(7, device=device)
    resumed = train(build_on(device, root=tmp_path / 'cut', resume=5, **settings), batches(12), first=6)
    for name, value in weights(whole).items():
        assert torch.equal(weights(resumed)[name], value), name
    assert resumed.get_current_log() == whole.get_current_log()


@pytest.mark.slow
@pytest.mark.gpu
def test_a_job_of_one_rank_over_nccl_trains_validates_and_resumes(training_run):
    run = training_run(
        'one', num_gpu=1, dist_params={'backend': 'nccl'}, train={'total_iter': 8, 'deterministic': True}
    )

    def finish(*words):
        process = run.start_with_torchrun(*words, processes=1)
        output, _ = run.programs.finish(process)
        assert process.returncode == 0, output
        return output

    assert finish().count('# psnr: ') >= 2
    first = run.weights(8)['params']
    (run.states / '8.state').unlink()
    finish('--auto_resume')
    for name, value in run.weights(8)['params'].items():
        assert torch.equal(value, first[name]), name
