"""A resumed run goes on where it was, with the optimizer and the schedule of its options."""

import io
from time import perf_counter

import pytest
import torch
from basicsr.models.lr_scheduler import MultiStepRestartLR
from torch import nn

from bsr_plugin.errors import InputError
from bsr_plugin.models.resumed_schedule import learning_rates, resumed
from bsr_plugin.models.training_state import match_memory_format, plain

STEPS = {'type': 'MultiStepLR', 'milestones': [7], 'gamma': 0.5}
RESTARTS = {'type': 'MultiStepRestartLR', 'milestones': [2, 3, 3, 7], 'restarts': [0, 4], 'restart_weights': [1, 0.5]}
COSINE = {'type': 'CosineAnnealingRestartLR', 'periods': [8], 'eta_min': 1e-7}


def section(scheduler=STEPS, total=8, warmup=-1, **optimizer):
    adam = {'type': 'Adam', 'lr': 1e-3, 'betas': [0.9, 0.99], **optimizer}
    # The toolbox takes the types out of its options.
    return {'train': {'optim_g': adam, 'scheduler': dict(scheduler), 'total_iter': total, 'warmup_iter': warmup}}


def run(model, batches, first, last):
    """Trains from one iteration to another; gives the learning rate of each."""
    rates = []
    for iteration in range(first, last + 1):
        model.update_learning_rate(iteration, model.opt['train']['warmup_iter'])
        rates += model.get_current_learning_rate()
        model.feed_data(batches[iteration - 1])
        model.optimize_parameters(iteration)
    return rates


@pytest.fixture
def warned(monkeypatch):
    """What the model logs as warnings."""
    from bsr_plugin.models import checkpointed_model

    logger, lines = checkpointed_model.get_root_logger(), []
    monkeypatch.setattr(logger, 'warning', lines.append)
    return lines


CHANGES = {
    'lr': (section(), section(lr=1e-5), 'train.optim_g.lr is 1e-05 and was 0.001', '1e-05'),
    'milestones': (section(), section({**STEPS, 'milestones': [3, 6]}), None, '[3, 6]'),
    'gamma': (
        section(RESTARTS),
        section({**RESTARTS, 'gamma': 0.3}),
        'train.scheduler.gamma is 0.3 and was 0.1',
        '0.3',
    ),
    'a finished cosine run': (
        section(COSINE),
        section({**COSINE, 'periods': [16]}, total=16),
        'train.scheduler.periods is [16] and was [8]',
        '[16]',
    ),
    'cosine with another lr': (section(COSINE, 16), section({**COSINE, 'periods': [16]}, 16, lr=1e-4), None, None),
    'type': (section(), section(COSINE, 12), 'train.scheduler.type is CosineAnnealingRestartLR and was another', None),
    'within warm-up': (section(warmup=12), section(total=12), 'train.warmup_iter is -1 and was 12', '-1'),
    'warm-up': (section(RESTARTS), section(RESTARTS, warmup=3, lr=2e-3), None, 'the values of the options'),
}


#: SRModel's states do not tell the warm-up.
BY_ENGINE = [('BSRModel', name) for name in CHANGES] + [('SRModel', name) for name in CHANGES if 'warm-up' not in name]


@pytest.mark.parametrize(('model_type', 'change'), BY_ENGINE)
def test_a_changed_schedule_is_followed_from_where_the_run_is(build, batches, warned, change, model_type, tmp_path):
    before, after, named, new = CHANGES[change]
    model = build(model_type=model_type, **before)
    stop = model.opt['train']['total_iter'] if 'finished' in change else 5
    run(model, batches(16), 1, stop)
    model.save(0, stop)
    model = build(resume=stop, **after)
    total = min(model.opt['train']['total_iter'], 8) if change != 'a finished cosine run' else 16
    got = run(model, batches(16), stop + 1, total)
    expected = run(build(root=tmp_path / 'all along', **after), batches(16), 1, total)
    assert got == expected[stop:]
    assert len(warned) == 1
    assert named is None or warned[0].startswith(named)
    assert new is None or warned[0].endswith(f' in the training state: continuing with {new}.')


@pytest.mark.parametrize('scheduler', [STEPS, RESTARTS, COSINE])
def test_nothing_is_computed_anew_where_nothing_has_changed(build, batches, warned, scheduler, tmp_path):
    model = build(**section(scheduler))
    run(model, batches(5), 1, 5)
    model.save(0, 5)
    path = tmp_path / 'experiments/tiny/training_states/5.state'
    state = torch.load(path, weights_only=True)
    state['optimizers'][0]['param_groups'][0]['lr'] = 0.000123
    torch.save(state, path)
    model = build(resume=5, **section(scheduler))
    assert model.get_current_learning_rate() == [0.000123]
    assert model.schedulers[0].state_dict() == {**model.schedulers[0].state_dict(), **state['schedulers'][0]}
    assert warned == []


def test_the_other_arguments_of_the_optimizer_are_those_of_the_options(build, batches, warned):
    model = build(**section())
    run(model, batches(5), 1, 5)
    model.save(0, 5)
    model = build(resume=5, **section(betas=[0.8, 0.99], weight_decay=0.1))
    group = model.optimizer_g.param_groups[0]
    assert (list(group['betas']), group['weight_decay'], group['lr']) == ([0.8, 0.99], 0.1, 1e-3)
    assert warned == [
        'train.optim_g.betas is [0.8, 0.99] and was [0.9, 0.99], train.optim_g.weight_decay is 0.1 and was 0 in the '
        'training state: continuing with the values of the options.'
    ]


@pytest.mark.parametrize('saved', [True, False])
def test_moments_that_a_state_does_not_hold_are_not_asked_for(build, batches, warned, saved):
    model = build(**section(amsgrad=saved))
    run(model, batches(5), 1, 5)
    model.save(0, 5)
    model = build(resume=5, **section(amsgrad=not saved))
    run(model, batches(6), 6, 6)
    assert model.optimizer_g.param_groups[0]['amsgrad'] is saved
    assert warned == [
        f'train.optim_g.amsgrad is {not saved} and was {saved} in the training state: continuing with the values '
        f'of the options, but with train.optim_g.amsgrad {saved}, as the saved moments need it.'
    ]


def test_the_moments_of_another_optimizer_are_refused(build, batches, monkeypatch):
    model = build(**section())
    run(model, batches(5), 1, 5)
    model.save(0, 5)
    # The released toolbox has Adam alone, its repository others.
    monkeypatch.setattr(torch.optim, 'Adam', torch.optim.NAdam)
    with pytest.raises(InputError, match=r'optim_g.type is NAdam, but .* has the moments of Adam: set the type back'):
        build(resume=5, **section())


def test_a_state_of_srmodel_does_not_tell_the_optimizer(build, batches):
    model = build(model_type='SRModel', **section())
    run(model, batches(5), 1, 5)
    model.save(0, 5)
    assert build(resume=5, **section()).iteration == 5


def test_a_run_that_ends_earlier_than_its_state_is_over(build, batches):
    model = build(**section(COSINE))
    run(model, batches(8), 1, 8)
    model.save(0, 8)
    assert build(resume=8, **section({**COSINE, 'periods': [6]}, total=6)).iteration == 8


def test_a_million_iterations_take_seconds():
    scheduler = scheduler_of(torch.optim.Adam(nn.Linear(1, 1).parameters(), 0.5), milestones=[10, 999_000])
    begin = perf_counter()
    assert learning_rates(scheduler, 1_000_000, -1) == pytest.approx([0.005])
    assert perf_counter() - begin < 60
    assert (scheduler.last_epoch, scheduler.optimizer.param_groups[0]['lr']) == (0, 0.5)


def scheduler_of(optimizer, milestones=(7,)):
    return MultiStepRestartLR(optimizer, milestones)


def through_a_file(content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


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
    position = scheduler_of(old).state_dict()
    saved = {'optimizers': [state], 'schedulers': [position]}
    optimizer.load_state_dict(resumed(optimizer, scheduler_of(optimizer), saved, 0, {'total_iter': 9}).optimizer)
    match_memory_format(optimizer)
    assert optimizer.param_groups[0]['fused'] is fused
    moments = optimizer.state[net.weight]['exp_avg']
    assert moments.stride() == net.weight.stride()
    _continue(net, optimizer, 2)
    torch.testing.assert_close(net.weight, source.weight, rtol=1e-6, atol=1e-7)
