import logging
import math

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from bsr_plugin.errors import InputError
from bsr_plugin.models import bsr_model
from bsr_plugin.models.failures import Interrupted, NonFiniteError
from bsr_plugin.models.loss_watch import LossWatch
from bsr_plugin.models.objective import Objective

EDSR = {'type': 'EDSR', 'num_in_ch': 3, 'num_out_ch': 3, 'num_feat': 4, 'num_block': 2, 'upscale': 2}


def weights(model):
    return {name: value.clone() for name, value in model.net_g.state_dict().items()}


def test_without_options_training_is_srmodels_bit_for_bit(build, batches, train):
    plain = {'network_g': EDSR, 'train': {'ema_decay': 0, 'pixel_opt': {'type': 'L1Loss', 'loss_weight': 2.0}}}
    ours = train(build(**plain), batches(6))
    stock = train(build(**plain, model_type='SRModel'), batches(6))
    assert type(stock).__name__ == 'SRModel'
    for name, value in weights(stock).items():
        assert torch.equal(weights(ours)[name], value), name
    assert ours.get_current_log() == stock.get_current_log()


@pytest.mark.parametrize('model_type', ['BSRModel', 'SRModel'])
def test_every_option_file_works_with_both_engines(build, batches, train, model_type):
    engine = {'amp': 'bf16', 'channels_last': True, 'compile': False, 'accumulate': 2, 'grad_clip': 1.0, 'fused': True}
    model = build(
        model_type=model_type,
        train=engine,
        val={'tile': 16, 'tile_overlap': 4, 'self_ensemble': True},
        logger={'keep_checkpoints': 2, 'keep_best': 'psnr'},
    )
    train(model, batches(3))
    assert model.get_current_log()['l_pix'] > 0


def test_a_processor_that_emulates_bf16_is_warned_of(build, monkeypatch, caplog):
    logger = logging.getLogger('basicsr')
    monkeypatch.setattr(logger, 'propagate', True)
    sentence = 'This processor emulates bf16, many times slower than float32: set amp to ~.'
    for computes, amp, warned in ((False, 'bf16', True), (False, None, False), (True, 'bf16', False)):
        monkeypatch.setattr(bsr_model, 'computes_bf16', lambda device, computes=computes: computes)
        caplog.clear()
        build(train={'amp': amp})
        assert (sentence in caplog.messages) == warned


def test_accumulated_gradients_are_the_whole_batchs(build, batches):
    def gradients(accumulate, reduction):
        loss = {'type': 'HybridL1L2LpLoss', 'reduction': reduction}
        model = build(train={'accumulate': accumulate, 'pixel_opt': loss})
        model.feed_data(batches(1)[0])
        losses = model._gradients(model.net_g)
        return [weight.grad for weight in model.net_g.parameters()], losses

    for reduction in ('mean', 'sum'):
        whole, losses = gradients(1, reduction)
        parts, losses_of_parts = gradients(4, reduction)
        torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(losses_of_parts, losses, rtol=1e-5, atol=1e-7)


class MeanOfSquares(torch.nn.Module):
    """In place of a perceptual loss: a mean over the samples, and no style loss."""

    def forward(self, x, gt):
        return (x - gt).square().mean(), None


@pytest.mark.parametrize('reduction', ['mean', 'sum'])
def test_each_loss_is_accumulated_by_its_own_reduction(build, batches, reduction):
    def gradients(accumulate):
        loss = {'type': 'L1Loss', 'loss_weight': 1e-4, 'reduction': reduction}
        model = build(train={'accumulate': accumulate, 'pixel_opt': loss})
        model._objective = Objective(model.cri_pix, MeanOfSquares())
        model.feed_data(batches(1)[0])
        losses = model._gradients(model.net_g)
        return [weight.grad for weight in model.net_g.parameters()], losses

    whole, losses = gradients(1)
    parts, losses_of_parts = gradients(2)
    torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(losses_of_parts, losses, rtol=1e-5, atol=1e-7)
    assert losses['l_percep'] > 0


def test_clipping_bounds_the_change_of_plain_gradient_descent(build, batches):
    model = build(train={'grad_clip': 1e-3})
    model.optimizer_g = torch.optim.SGD(model.net_g.parameters(), 1.0)
    before = weights(model)
    model.feed_data(batches(1)[0])
    model.optimize_parameters(1)
    change = math.sqrt(sum(float((value - before[name]).square().sum()) for name, value in weights(model).items()))
    assert change == pytest.approx(1e-3, rel=1e-3)


def test_bytes_are_the_floats_they_stand_for(build):
    generator = torch.Generator().manual_seed(1)
    images = {side: torch.randint(0, 256, (4, 3, size, size), generator=generator, dtype=torch.uint8)
              for side, size in (('lq', 12), ('gt', 24))}  # fmt: skip
    floats = {side: torch.from_numpy(image.numpy().astype(np.float32) / 255) for side, image in images.items()}
    models = []
    for batch in (images, floats):
        model = build()
        model.feed_data(batch)
        assert torch.equal(model.lq, floats['lq'])
        assert torch.equal(model.gt, floats['gt'])
        model.optimize_parameters(1)
        models.append(weights(model))
    for name, value in models[0].items():
        assert torch.equal(value, models[1][name])


def test_the_loss_is_logged_term_by_term(build, batches, train):
    log = train(build(), batches(2)).get_current_log()
    assert list(log) == ['l_pix', 'l_l2', 'l_l1', 'l_lp']
    assert all(type(value) is float for value in log.values())
    assert log['l_pix'] == pytest.approx(log['l_l2'] + log['l_l1'] + log['l_lp'])


class NoWaiting(TorchDispatchMode):
    """Fails when a value leaves its device: what would make a GPU's host wait."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.is_nonzero.default):
            raise AssertionError(f'{function} waits for the device')
        return function(*args, **kwargs or {})


@pytest.mark.parametrize('amp', [None, 'bf16', 'fp16'])
def test_between_log_lines_no_iteration_waits_for_its_results(build, batches, amp):
    model = build(train={'amp': amp, 'fused': True, 'grad_clip': 1.0, 'accumulate': 2, 'channels_last': True})
    model._watch = LossWatch(50)
    model.weight_samples(2)
    samples = {'pic_weight': torch.ones(4, dtype=torch.float64), 'pic_bin': torch.tensor([0, 1, 1, 0])}
    with NoWaiting():
        for iteration, batch in enumerate(batches(4), 1):
            model.update_learning_rate(iteration)
            model.feed_data(batch | samples)
            model.optimize_parameters(iteration)
        with pytest.raises(AssertionError, match='waits for the device'):
            model.get_current_log()


def test_the_averaged_network_follows_with_warm_up(build, batches):
    model = build(train={'ema_decay': 0.999})
    expected = {name: value.clone().double() for name, value in model.net_g.state_dict().items()}
    for iteration, batch in enumerate(batches(4), 1):
        model.feed_data(batch)
        model.optimize_parameters(iteration)
        decay = iteration / (9 + iteration)
        for name, value in model.net_g.state_dict().items():
            expected[name] = decay * expected[name] + (1 - decay) * value.double()
    for name, value in model.net_g_ema.state_dict().items():
        torch.testing.assert_close(value.double(), expected[name], rtol=1e-5, atol=1e-6)


def test_a_nan_stops_the_run_before_the_weights_change(build, batches, train):
    model = train(build(), batches(3), save_at=(2,))
    before = weights(model)
    batch = batches(1)[0]
    batch['gt'][2, 1, 5, 5] = math.nan
    model.feed_data(batch)
    with pytest.raises(
        NonFiniteError,
        match=r'iteration 4: l_pix is nan, l_l2 is nan.* 0\.001; the batch itself holds.* batch1_image0\.png, batch1_i',
    ):
        model.optimize_parameters(4)
    assert all(torch.equal(value, before[name]) for name, value in weights(model).items())


def test_a_learning_rate_that_is_too_high_is_named_and_the_images_are_not_blamed(build, batches, train):
    model = build(train={'optim_g': {'lr': 1e9}})
    with pytest.raises(NonFiniteError, match=r'at a learning rate of 1e\+09; the batch is finite, so lower train'):
        train(model, batches(8))


def test_a_nan_not_yet_looked_at_is_found_before_saving(build, batches, train, tmp_path):
    model = train(build(), batches(2), save_at=(2,))
    model._watch = LossWatch(50)
    bad = batches(1)[0]
    bad['lq'][0] = math.inf
    model.feed_data(bad)
    model.optimize_parameters(3)
    with pytest.raises(NonFiniteError, match=r'iteration 3: l_pix is (nan|inf), .*batch1_image0'):
        model.save(0, 3)
    with pytest.raises(NonFiniteError):
        model.save(-1, -1)
    model.feed_data(bad)
    model.optimize_parameters(4)
    with pytest.raises(NonFiniteError, match='iteration 4'):
        model.validation(None, 4, None)
    states = tmp_path / 'experiments' / 'tiny'
    assert sorted(path.name for path in states.glob('*/*.*')) == ['2.state', 'net_g_2.pth']


def test_weights_that_are_not_finite_are_never_saved(build, batches, train, tmp_path):
    model = train(build(), batches(2))
    with torch.no_grad():
        model.net_g.conv_last.bias[0] = math.nan
    with pytest.raises(NonFiniteError, match='iteration 2: the weights are no longer finite; they were not saved'):
        model.save(0, 2)
    assert not list((tmp_path / 'experiments' / 'tiny').glob('*/*.*'))


@pytest.mark.parametrize('number', [2, 15])
def test_a_signal_ends_the_run_after_the_step_with_its_state_saved(build, batches, train, tmp_path, number):
    model = train(build(), batches(3))
    model._stop.signal_number = number
    with pytest.raises(Interrupted) as caught:
        train(model, batches(4), first=4)
    assert caught.value.code == 128 + number
    assert (tmp_path / 'experiments/tiny/training_states/4.state').is_file()
    assert build(resume=4).iteration == 4


def test_a_network_that_computes_something_else_with_the_weights_is_named(build, batches, train, tmp_path, caplog):
    train(build(), batches(1), save_at=(1,))
    path = str(tmp_path / 'experiments/tiny/models/net_g_1.pth')
    with caplog.at_level('WARNING', 'basicsr'):
        build(path={'pretrain_network_g': path})
        assert 'was trained with' not in caplog.text
        build(network_g={'img_range': 255.0, 'skip_connections': True}, path={'pretrain_network_g': path})
    said = [record.getMessage() for record in caplog.records if 'was trained with' in record.getMessage()]
    assert {*said} == {f'{path} was trained with network_g.img_range 1.0, not 255.0.'}


def test_weights_for_another_network_are_refused_with_a_sentence(build, batches, train, tmp_path):
    train(build(), batches(1), save_at=(1,))
    path = str(tmp_path / 'experiments/tiny/models/net_g_1.pth')
    with pytest.raises(InputError, match=r'net_g_1\.pth does not fit BSRNet: conv_first\.weight is 4x'):
        build(network_g={'num_feat': 8}, path={'pretrain_network_g': path})
    with pytest.raises(InputError, match=r'net_g_1\.pth does not fit EDSR: .* missing in the'):
        build(network_g=EDSR, path={'pretrain_network_g': path})
    torch.save({'weights': {'a': torch.zeros(1)}}, tmp_path / 'odd.pth')
    with pytest.raises(InputError, match=r'odd\.pth has no entry params: set path\.param_key_g to weights$'):
        build(path={'pretrain_network_g': str(tmp_path / 'odd.pth')})
    with pytest.raises(InputError, match=r'none\.pth does not exist'):
        build(path={'pretrain_network_g': str(tmp_path / 'none.pth')})
