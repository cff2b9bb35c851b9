import numpy as np
import pytest
import torch
from basicsr.data import build_dataloader, build_dataset
from basicsr.models import build_model

from bsr_plugin.models.failures import Interrupted
from bsr_plugin.models.self_ensemble import x8


@pytest.fixture
def validate():
    """Validates as the training loop does."""

    def run(model, iteration=1, save_img=False):
        opt = {**model.opt['datasets']['val'], 'phase': 'val', 'scale': 2}
        loader = build_dataloader(build_dataset(opt), opt)
        model.validation(loader, iteration, None, save_img)
        return model.metric_results['psnr']

    return run


def test_a_signal_breaks_a_validation_off(build, batches, train, validate, tmp_path):
    model = train(build(), batches(3))
    forward, seen = model.net_g_ema.forward, []

    def interrupted(x):
        seen.append(x)
        model._stop.signal_number = 15
        return forward(x)

    model.net_g_ema.forward = interrupted
    with pytest.raises(Interrupted):
        validate(model)
    assert len(seen) == 1, 'the other three images are left'
    assert model.best_metric_results['Val']['psnr']['iter'] == -1
    state = torch.load(tmp_path / 'experiments/tiny/training_states/3.state', weights_only=True)
    assert state['validated'] == []


@pytest.mark.parametrize('ema_decay', [0, 0.9])
def test_validation_takes_the_averaged_network_if_there_is_one_and_leaves_modes_alone(build, batches, train, ema_decay):
    model = train(build(train={'ema_decay': ema_decay}), batches(3))
    model.feed_data(batches(1)[0])
    net = model.net_g_ema if ema_decay else model.net_g
    mode = net.training
    model.test()
    with torch.no_grad():
        assert torch.equal(model.output, net(model.lq))
    assert net.training is mode
    assert model.net_g.training
    model.net_g.forward = lambda x: 1 / 0
    if not ema_decay:
        with pytest.raises(ZeroDivisionError):
            model.test()
        assert model.net_g.training


def test_tiles_and_self_ensemble_give_what_they_give_alone(build, batches):
    image = {'lq': torch.rand(1, 3, 40, 52), 'lq_path': ['x.png']}

    def output(**val):
        model = build(val=val, is_train=False)
        for weight in model.net_g.parameters():
            torch.nn.init.normal_(weight, std=0.2)
        model.feed_data(image)
        model.test()
        return model, model.output

    model, whole = output()
    reach = model.net_g.receptive_field_radius
    assert reach == 12
    _, tiled = output(tile=2 * reach + 6, tile_overlap=reach)
    torch.testing.assert_close(tiled, whole, rtol=0, atol=0.1 / 255)
    _, rough = output(tile=14, tile_overlap=2)
    assert (rough - whole).abs().max() > 1e-6
    _, ensemble = output(self_ensemble=True)
    with torch.no_grad():
        torch.testing.assert_close(ensemble, x8(model.net_g, image['lq']), rtol=0, atol=1e-6)
    _, both = output(self_ensemble=True, tile=2 * reach + 6, tile_overlap=reach)
    torch.testing.assert_close(both, ensemble, rtol=0, atol=0.1 / 255)


def test_validation_in_tiles_reports_the_psnr_of_whole_images(build, batches, train, validate):
    whole = validate(train(build(), batches(2)))
    tiled = validate(train(build(val={'tile': 26, 'tile_overlap': 12}), batches(2)))
    assert whole == pytest.approx(tiled, abs=1e-3)
    assert whole > 20


def test_out_of_memory_in_validation_goes_on_in_tiles(build, batches, train, validate):
    expected = validate(train(build(), batches(2)))
    model = train(build(), batches(2))
    forward, sides = model.net_g_ema.forward, []

    def limited(x):
        sides.append(max(x.shape[-2:]))
        if sides[-1] > 30:
            raise torch.cuda.OutOfMemoryError('CUDA out of memory.')
        return forward(x)

    model.net_g_ema.forward = limited
    assert validate(model) == pytest.approx(expected, abs=0.05)
    assert sides.count(48) == 1, 'only the first image is tried whole'


def test_the_best_weights_are_kept_by_the_first_validation_set(build, batches, train, validate, tmp_path):
    model = build(logger={'keep_best': 'psnr'})
    path = tmp_path / 'experiments/tiny/models/net_g_best.pth'
    kept = []
    for iteration, value in enumerate([20.0, 22.0, 21.0, 22.5], 1):
        train(model, batches(4), iteration, iteration)
        model._initialize_best_metric_results('Val')
        model._initialize_best_metric_results('Other')
        model._update_best_metric_result('Val', 'psnr', np.float64(value), iteration)
        model._update_best_metric_result('Other', 'psnr', 99.0, iteration)
        kept.append(torch.load(path, weights_only=True)['best'])
        if iteration == 2:
            expected = {name: value.clone() for name, value in model.net_g_ema.state_dict().items()}
        if iteration == 3:
            stored = torch.load(path, weights_only=True)['params_ema']
            assert all(torch.equal(stored[name], expected[name]) for name in expected)
    assert [(best['iter'], best['val']) for best in kept] == [(1, 20.0), (2, 22.0), (2, 22.0), (4, 22.5)]
    assert kept[0] == {'dataset': 'Val', 'metric': 'psnr', 'better': 'higher', 'val': 20.0, 'iter': 1}


def test_in_a_test_run_nothing_of_the_training_is_needed(options, build, validate):
    opt = options(train=..., logger=..., datasets={'train': ...})
    opt |= {'dist': False, 'rank': 0, 'world_size': 1, 'is_train': False}
    model = build_model(opt)
    assert validate(model) > 10


SWINIR = {'type': 'SwinIR', 'upscale': 2, 'embed_dim': 8, 'depths': [2, 2], 'num_heads': [2, 2], 'img_size': 16}
SWINIR |= {'window_size': 8, 'upsampler': 'pixelshuffle', 'img_range': 1.0}


@pytest.mark.parametrize('size', [(13, 21), (16, 30), (24, 8)])
def test_swinir_gives_what_basicsrs_own_model_for_it_gives(build, size):
    image = {'lq': torch.rand(1, 3, *size), 'lq_path': ['x.png']}
    outputs = []
    for model_type in ('SwinIRModel', 'BSRModel'):
        model = build(model_type=model_type, network_g=SWINIR, is_train=False)
        model.feed_data(image)
        model.test()
        outputs.append(model.output)
    assert outputs[0].shape == (1, 3, 2 * size[0], 2 * size[1])
    assert torch.equal(*outputs)


def test_self_ensemble_and_tiles_pad_what_they_give_to_swinir(build):
    image = {'lq': torch.rand(1, 3, 13, 21), 'lq_path': ['x.png']}

    def output(**val):
        model = build(network_g=SWINIR, val=val, is_train=False)
        model.feed_data(image)
        model.test()
        return model, model.output

    model, ensemble = output(self_ensemble=True)
    model.net_g.eval()

    def whole(turned):
        height, width = turned.shape[-2:]
        padded = torch.nn.functional.pad(turned, (0, -width % 8, 0, -height % 8), 'reflect')
        with torch.no_grad():
            return model.net_g(padded)[..., : 2 * height, : 2 * width]

    torch.testing.assert_close(ensemble, x8(whole, image['lq']), rtol=0, atol=1e-6)
    seen = []
    for val in ({'tile': 20}, {'tile': 20, 'self_ensemble': True}, {'tile': 16, 'tile_overlap': 7}):
        model = build(network_g=SWINIR, val=val, is_train=False)
        model.net_g.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[-2:]))
        model.feed_data(image)
        model.test()
        assert model.output.shape == (1, 3, 26, 42)
    assert set(seen) == {(16, 16)}


def test_the_option_outweighs_what_the_network_tells(build):
    seen = []
    for multiple, size in ((None, (13, 21)), (1, (13, 21)), (5, (15, 25))):
        model = build(val={'multiple_of': multiple}, is_train=False)
        model.net_g.register_forward_pre_hook(lambda _, inputs: seen.append(tuple(inputs[0].shape[-2:])))
        model.feed_data({'lq': torch.rand(1, 3, 13, 21)})
        model.test()
        assert seen.pop() == size
        assert model.output.shape == (1, 3, 26, 42)


def test_without_padding_nothing_is_changed(build):
    image = torch.rand(1, 3, 13, 21)
    model = build(is_train=False)
    model.feed_data({'lq': image})
    model.test()
    with torch.no_grad():
        assert torch.equal(model.output, model.net_g(image))
