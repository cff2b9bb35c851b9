"""Weighted losses against gradients computed sample by sample."""

import pytest
import torch
from basicsr.losses import build_loss
from basicsr.utils.registry import LOSS_REGISTRY
from torch import nn

from bsr_plugin.errors import InputError

LOSSES = [
    {'type': 'HybridL1L2LpLoss'},
    {'type': 'HybridL1L2LpLoss', 'reduction': 'sum', 'lp_weight': 0},
    {'type': 'L1Loss', 'loss_weight': 2.0, 'reduction': 'mean'},
    {'type': 'MSELoss', 'reduction': 'sum'},
    {'type': 'CharbonnierLoss'},
]


def weighted(batch):
    return {**batch, 'pic_weight': torch.tensor([0.25, 3.0, 1.0, 0.5], dtype=torch.float64),
            'pic_bin': torch.tensor([2, 0, 2, 1])}  # fmt: skip


@pytest.mark.parametrize('loss', LOSSES, ids=lambda loss: '-'.join(map(str, loss.values())))
@pytest.mark.parametrize('accumulate', [1, 2])
def test_gradients_losses_and_intervals_are_those_of_single_samples(build, batches, loss, accumulate):
    batch = weighted(batches(1)[0])
    model = build(train={'accumulate': accumulate, 'pixel_opt': loss})
    losses = model.weight_samples(3)
    criterion, mean = build_loss(loss), loss.get('reduction', 'mean') == 'mean'
    singles = [criterion(model.net_g(batch['lq'][k : k + 1]), batch['gt'][k : k + 1]) for k in range(4)]
    total = sum(w * single for w, single in zip(batch['pic_weight'].float(), singles, strict=True)) / (4 if mean else 1)
    gradients = torch.autograd.grad(total, list(model.net_g.parameters()))
    model.feed_data(batch)
    model.optimize_parameters(1)
    for weight, gradient in zip(model.net_g.parameters(), gradients, strict=True):
        torch.testing.assert_close(weight.grad, gradient, rtol=1e-4, atol=2e-6 if mean else 1e-3)
    assert model.losses['l_pix'].item() == pytest.approx(total.item(), rel=1e-5)
    values = [single.item() for single in singles]
    expected = [values[1], values[3], ((values[0] ** 2 + values[2] ** 2) / 2) ** 0.5]
    assert losses.begin_epoch(1).tolist() == pytest.approx(expected, rel=1e-5)


def test_weights_of_one_are_the_loss_without_them(build, batches):
    alone, weighting = build(), build()
    weighting.weight_samples(3)
    for iteration, batch in enumerate(batches(3), 1):
        ones = {**weighted(batch), 'pic_weight': torch.ones(4)}
        for model in (alone, weighting):
            model.feed_data(ones)
            model.optimize_parameters(iteration)
        assert [*weighting.losses] == [*alone.losses]
    for one, other in zip(alone.net_g.parameters(), weighting.net_g.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_a_rehearsal_of_the_compiler_counts_no_loss_twice(build, batches, monkeypatch):
    monkeypatch.setattr(torch, 'compile', lambda net, dynamic: net)
    model = build(train={'compile': True})
    losses = model.weight_samples(3)
    model.feed_data(weighted(batches(1)[0]))
    model.optimize_parameters(1)
    assert losses.state_dict()['collected'][0][1].tolist() == [1, 1, 2]


@pytest.fixture(scope='module')
def whole_image_loss():
    """Losses of the batch as a whole, without a reduction and with the only one; no other test finds them."""

    class WholeImageLoss(nn.Module):
        def forward(self, pred, target):
            return (pred.mean() - target.mean()).abs()

    class AlwaysMeanLoss(WholeImageLoss):
        reduction = 'mean'

    kinds = (WholeImageLoss, AlwaysMeanLoss)
    for kind in kinds:
        LOSS_REGISTRY.register(kind)
    yield
    for kind in kinds:
        del LOSS_REGISTRY._obj_map[kind.__name__]


@pytest.mark.usefixtures('whole_image_loss')
@pytest.mark.parametrize('kind', ['WholeImageLoss', 'AlwaysMeanLoss', 'WeightedTVLoss'])
def test_a_loss_without_values_for_samples_is_refused(build, kind):
    model = build(train={'pixel_opt': {'type': kind}})
    with pytest.raises(InputError, match=rf'train\.pixel_opt: {kind} gives no loss for each sample'):
        model.weight_samples(3)


def test_a_perceptual_loss_is_refused(build):
    model = build()
    model.cri_perceptual = nn.Identity()
    with pytest.raises(InputError, match=r'train\.perceptual_opt: a perceptual loss has no value for each sample'):
        model.weight_samples(3)
