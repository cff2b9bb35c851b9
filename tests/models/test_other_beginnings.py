"""Runs that resume from elsewhere than where they ended: an older state, another engine, another metric to keep."""

import math

import pytest
import torch
from basicsr.data import build_dataloader, build_dataset

from bsr_plugin.errors import InputError
from bsr_plugin.models.resume import newest_readable

BEST = {'logger': {'keep_best': 'psnr'}}


def note(model, iteration, value, metric='psnr'):
    model._initialize_best_metric_results('Val')
    model._update_best_metric_result('Val', metric, value, iteration)
    model.remember_validation('Val')


def distance(model):
    """How far the average is from the network."""
    pairs = zip(model.net_g_ema.parameters(), model.net_g.parameters(), strict=True)
    return float(sum((average - weights).square().sum() for average, weights in pairs)) ** 0.5


def test_a_run_that_went_back_stays_on_its_new_branch(build, batches, train, tmp_path):
    experiment = tmp_path / 'experiments/tiny'
    note(train(build(**BEST), batches(6), save_at=(2, 4, 6)), 6, 40.0)
    resumed = build(resume=2, **BEST)
    states = experiment / 'training_states'
    assert {path.name for path in states.iterdir()} == {'2.state', '4.state.abandoned', '6.state.abandoned'}
    assert not getattr(resumed, 'best_metric_results', {}).get('Val', {}).get('psnr', {}).get('iter', -1) > 2
    train(resumed, batches(6), first=3, last=3, save_at=(3,))
    assert newest_readable(states, experiment / 'models').path.name == '3.state'


def test_an_average_that_is_over_its_warm_up_goes_on_as_one(build, batches, train):
    decay = {'train': {'ema_decay': 0.999}}
    stock = train(build(model_type='SRModel', **decay), batches(30), save_at=(30,))
    resumed = build(resume=30, **decay)
    assert distance(resumed) == pytest.approx(distance(stock))
    before = distance(resumed)
    train(resumed, [*batches(30), *batches(2)], first=31)
    # By 31/40 and 32/41 of the average; a warm-up begun anew keeps 1/10 and 2/11.
    assert distance(resumed) > before / 2
    # Where there was none, it begins with the weights.
    train(build(model_type='SRModel', train={'ema_decay': 0}), batches(2), save_at=(2,))
    resumed = build(resume=2, **decay)
    assert distance(resumed) == 0
    assert resumed.parts['ema'].updates == 0


def test_the_best_weights_are_kept_from_where_that_is_asked_for(build, batches, train, tmp_path):
    file = tmp_path / 'experiments/tiny/models/net_g_best.pth'
    note(train(build(), batches(3), save_at=(3,)), 3, 40.0)
    assert not file.exists()
    resumed = build(resume=3, **BEST)
    assert resumed.best_metric_results['Val']['psnr'] == {'better': 'higher', 'val': -math.inf, 'iter': -1}
    note(train(resumed, batches(4), first=4), 4, 30.0)
    best = torch.load(file, weights_only=True)['best']
    assert (best['iter'], best['val']) == (4, 30.0)


@pytest.mark.parametrize('damage', [b'no checkpoint', {'best': {'metric': 5}}, [1]])
def test_damaged_best_weights_are_no_obstacle(build, batches, train, tmp_path, damage):
    file = tmp_path / 'experiments/tiny/models/net_g_best.pth'
    note(train(build(**BEST), batches(3), save_at=(3,)), 3, 40.0)
    assert file.exists()
    file.write_bytes(damage) if isinstance(damage, bytes) else torch.save(damage, file)
    resumed = build(resume=3, **BEST)
    assert resumed.best_metric_results['Val']['psnr'] == {'better': 'higher', 'val': -math.inf, 'iter': -1}
    note(train(resumed, batches(4), first=4), 4, 30.0)
    assert torch.load(file, weights_only=True)['best']['iter'] == 4


def test_an_image_that_cannot_be_validated_on_loses_no_iteration(build, batches, train, tmp_path):
    model = train(build(), batches(3))
    opt = {**model.opt['datasets']['val'], 'phase': 'val', 'scale': 2}
    loader = build_dataloader(build_dataset(opt), opt)

    def unreadable():
        raise InputError('x.png cannot be read: remove or replace it.')

    model.test = unreadable
    with pytest.raises(InputError, match=r'x\.png cannot be read'):
        model.validation(loader, 3, None)
    assert build(resume=3).iteration == 3
