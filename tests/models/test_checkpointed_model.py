import random

import numpy as np
import pytest
import torch

from bsr_plugin import atomic
from bsr_plugin.errors import InputError

ENGINES = {
    'as SRModel': {},
    'all switches': {'train': {'channels_last': True, 'fused': True, 'accumulate': 2, 'grad_clip': 0.5}},
    'fp16': {'train': {'amp': 'fp16'}},
    'no average': {'train': {'ema_decay': 0}},
    'cosine': {'train': {'scheduler': {'type': 'CosineAnnealingRestartLR', 'periods': [12], 'eta_min': 1e-7}}},
}


def files(root):
    return sorted(path.name for path in (root / 'experiments' / 'tiny').glob('*/*'))


@pytest.mark.parametrize('engine', ENGINES)
def test_a_resumed_run_ends_with_the_bits_of_an_uninterrupted_one(build, batches, train, same, tmp_path, engine):
    whole, cut = tmp_path / 'whole', tmp_path / 'cut'
    train(build(root=whole, **ENGINES[engine]), batches(12)).save(0, 12)
    train(build(root=cut, **ENGINES[engine]), batches(12), last=5, save_at=(5,))
    torch.manual_seed(99)
    resumed = build(root=cut, resume=5, **ENGINES[engine])
    train(resumed, batches(12), first=6).save(0, 12)
    for name in ('models/net_g_12.pth', 'training_states/12.state'):
        expected, got = (torch.load(root / 'experiments/tiny' / name, weights_only=True) for root in (whole, cut))
        for content in (expected, got):
            content.pop('random', None)
            content.pop('weights', None)
        assert same(expected, got), name
    assert expected['iter'] == 12


def test_a_network_that_draws_random_numbers_resumes_whatever_else_draws_them(build, batches, train, same, tmp_path):
    whole, cut = tmp_path / 'whole', tmp_path / 'cut'
    swinir = {'type': 'SwinIR', 'upscale': 2, 'embed_dim': 8, 'depths': [2], 'num_heads': [2], 'img_size': 12}
    settings = {'network_g': {**swinir, 'window_size': 4, 'drop_rate': 0.5, 'upsampler': 'pixelshuffledirect'}}
    model = build(root=whole, **settings)
    for iteration in range(1, 7):
        train(model, batches(6), iteration, iteration)
        torch.rand(iteration)  # as a validation does, and a loader at the beginning of an epoch
    model.save(0, 6)
    train(build(root=cut, **settings), batches(6), last=3, save_at=(3,))
    resumed = build(root=cut, resume=3, **settings)
    torch.rand(7)
    train(resumed, batches(6), first=4).save(0, 6)
    ends = [torch.load(root / 'experiments/tiny/models/net_g_6.pth', weights_only=True) for root in (whole, cut)]
    assert same(*ends)
    torch.manual_seed(0)
    first, second = (model.net_g(batches(1)[0]['lq']) for _ in range(2))
    assert not torch.equal(first, second), 'it does draw'


def test_weights_and_average_are_both_restored_and_differ(build, batches, train):
    model = train(build(), batches(4), save_at=(4,))
    resumed = build(resume=4)
    for name, value in model.net_g.state_dict().items():
        assert torch.equal(resumed.net_g.state_dict()[name], value)
    for name, value in model.net_g_ema.state_dict().items():
        assert torch.equal(resumed.net_g_ema.state_dict()[name], value)
    assert not torch.equal(model.net_g_ema.conv_last.weight, model.net_g.conv_last.weight)
    assert resumed.parts['ema'].updates == 4


@pytest.mark.parametrize('param_key', ['params_ema', None, 'state_dict'])
def test_param_key_for_the_start_does_not_count_when_resuming(build, batches, train, tmp_path, param_key):
    train(build(), batches(3), save_at=(3,))
    averaged = torch.load(tmp_path / 'experiments/tiny/models/net_g_3.pth', weights_only=True)['params_ema']
    start = str(tmp_path / 'start.pth')
    torch.save(averaged if param_key is None else {param_key: averaged}, start)
    tuned = {'path': {'pretrain_network_g': start, 'param_key_g': param_key}, 'name': 'tuned'}
    model = build(**tuned)
    assert torch.equal(model.net_g.state_dict()['conv_last.weight'], averaged['conv_last.weight'])
    train(model, batches(3), save_at=(3,))
    resumed = build(resume=3, **tuned)
    assert torch.equal(resumed.net_g.conv_last.weight, model.net_g.conv_last.weight)


def test_random_numbers_go_on(build, batches, train):
    def draw():
        return [random.random(), np.random.rand(), torch.rand(1).item()]  # noqa: NPY002

    train(build(), batches(2), save_at=(2,))
    expected = draw()
    build(resume=2)
    assert draw() == expected


@pytest.mark.parametrize(('first', 'second'), [('BSRModel', 'SRModel'), ('SRModel', 'BSRModel')])
def test_the_engines_resume_each_others_states(build, batches, train, first, second, tmp_path):
    # Without the average: SRModel's has no warm-up.
    plain = {'train': {'ema_decay': 0}}
    expected = train(build(root=tmp_path / 'whole', model_type='SRModel', **plain), batches(6))
    train(build(model_type=first, **plain), batches(6), last=3, save_at=(3,))
    resumed = train(build(model_type=second, resume=3, **plain), batches(6), first=4)
    for name, value in expected.net_g.state_dict().items():
        assert torch.equal(resumed.net_g.state_dict()[name], value)


@pytest.mark.parametrize('scale', [2, None, ...])
def test_a_network_without_a_scale_is_saved_and_resumed(build, batches, train, tmp_path, scale):
    train(build(scale=scale), batches(2), save_at=(2,))
    saved = torch.load(tmp_path / 'experiments/tiny/models/net_g_2.pth', weights_only=True)
    assert {'network_g', 'versions'} < saved.keys()
    assert saved.get('scale') == (2 if scale == 2 else None)
    assert build(resume=2, scale=scale).iteration == 2


def test_only_the_newest_pairs_are_kept(build, batches, train, tmp_path):
    train(build(logger={'keep_checkpoints': 2}), batches(6), save_at=(1, 2, 3, 5, 6)).save(-1, -1)
    assert files(tmp_path) == ['5.state', '6.state', 'net_g_5.pth', 'net_g_6.pth', 'net_g_latest.pth']


def test_the_last_iteration_is_saved_even_if_it_was_not_due(build, batches, train, tmp_path):
    train(build(), batches(5), save_at=(4,)).save(-1, -1)
    assert files(tmp_path) == ['4.state', '5.state', 'net_g_4.pth', 'net_g_5.pth', 'net_g_latest.pth']
    assert build(resume=5).iteration == 5


def test_a_disk_that_fills_up_stops_the_run_and_leaves_the_state_before(build, batches, train, monkeypatch, tmp_path):
    from bsr_plugin.models import checkpoint

    model = train(build(), batches(4), save_at=(2,))

    def full(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(checkpoint.Path, 'write_bytes', full)
    with pytest.raises(checkpoint.SaveError, match=r'net_g_4\.pth could not be saved: No space left on device'):
        model.save(0, 4)
    monkeypatch.undo()
    assert files(tmp_path) == ['2.state', 'net_g_2.pth']
    assert build(resume=2).iteration == 2


def test_a_death_between_weights_and_state_leaves_the_pair_before(build, batches, train, tmp_path):
    model = train(build(), batches(4), save_at=(2,))
    model.save_network(model.net_g, 'net_g', 4)
    assert files(tmp_path) == ['2.state', 'net_g_2.pth', 'net_g_4.pth']
    assert build(resume=2).iteration == 2


def test_damaged_weights_make_their_state_unreadable(build, batches, train, tmp_path):
    train(build(), batches(2), save_at=(2,))
    path = tmp_path / 'experiments/tiny/models/net_g_2.pth'
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=r'net_g_2\.pth has \d+ bytes instead of \d+'):
        build(resume=2)


def note(model, iteration, value):
    model._initialize_best_metric_results('Val')
    model._update_best_metric_result('Val', 'psnr', value, iteration)
    model.remember_validation('Val')


def test_the_best_so_far_is_restored_also_when_it_came_after_the_state(build, batches, train, tmp_path):
    model = train(build(logger={'keep_best': 'psnr'}), batches(3), save_at=(3,))
    note(model, 3, 25.0)
    resumed = build(resume=3, logger={'keep_best': 'psnr'})
    assert resumed.best_metric_results == {'Val': {'psnr': {'better': 'higher', 'val': 25.0, 'iter': 3}}}
    train(resumed, batches(4), first=4)
    note(resumed, 4, 24.0)
    best = torch.load(tmp_path / 'experiments/tiny/models/net_g_best.pth', weights_only=True)['best']
    assert (best['iter'], best['val']) == (3, 25.0)


def test_the_best_weights_know_their_value_if_the_run_dies_before_the_state_does(build, batches, train, tmp_path):
    model = train(build(logger={'keep_best': 'psnr'}), batches(3), save_at=(3,))
    model.remember_validation = lambda name: None
    note(model, 3, 25.0)
    state = torch.load(tmp_path / 'experiments/tiny/training_states/3.state', weights_only=True)
    assert state['best_metric_results'] == {}
    resumed = build(resume=3, logger={'keep_best': 'psnr'})
    assert resumed.best_metric_results['Val']['psnr']['val'] == 25.0


def test_a_state_tells_which_of_its_validations_were_made(build, batches, train, tmp_path):
    def told():
        state = torch.load(tmp_path / 'experiments/tiny/training_states/4.state', weights_only=True)
        return state['validated'], state['best_metric_results']

    folders = dict(build().opt['datasets']['val'])
    two = {'datasets': {'val_2': {**folders, 'name': 'Second'}}}
    model = train(build(**two), batches(4), save_at=(4,))
    assert told() == ([], {})
    note(model, 4, 25.0)
    assert told()[0] == ['Val']
    model.remember_validation('Second')
    assert told()[0] == ['Val', 'Second']
    model.remember_validation('Val')
    assert told()[0] == ['Val', 'Second']
    train(model, batches(5), first=5)
    note(model, 5, 26.0)
    assert told()[1]['Val']['psnr']['val'] == 25.0, 'the state of 4 knows nothing of 5'


def test_a_validation_repeated_after_resuming_is_noted_in_the_state_it_was_missing_in(build, batches, train, tmp_path):
    train(build(), batches(4), save_at=(4,))
    note(build(resume=4), 4, 25.0)
    assert build(resume=4).best_metric_results['Val']['psnr']['val'] == 25.0
    # A state that was resumed from elsewhere belongs to another run.
    other = build(resume=4)
    other._saved_state = None
    other.opt['path']['resume_state'] = str(tmp_path / 'elsewhere/4.state')
    other.resume_training(torch.load(tmp_path / 'experiments/tiny/training_states/4.state', weights_only=True))
    note(other, 4, 30.0)
    assert build(resume=4).best_metric_results['Val']['psnr']['val'] == 25.0


def test_validations_made_before_the_checkpoint_of_their_iteration_are_in_it(build, batches, train, tmp_path):
    def validated(iteration):
        path = tmp_path / f'experiments/tiny/training_states/{iteration}.state'
        return torch.load(path, weights_only=True)['validated']

    model = train(build(), batches(5), last=4)
    note(model, 4, 25.0)
    train(model, batches(5), first=5)
    note(model, 5, 26.0)
    model.save_once()
    assert validated(5) == ['Val'], 'that of iteration 4 with the weights before is not counted'
    resumed = build(resume=5)
    resumed.remember_validation('Second')
    resumed.save(0, 5)
    assert validated(5) == ['Val', 'Second']
    train(resumed, batches(6), first=6, save_at=(6,))
    assert validated(6) == []


def test_a_state_given_relative_to_the_current_folder_is_of_this_run(build, batches, train, tmp_path, monkeypatch):
    train(build(), batches(4), save_at=(4,))
    model, path = build(resume=4), 'experiments/tiny/training_states/4.state'
    monkeypatch.chdir(tmp_path)
    model.opt['path']['resume_state'] = path
    model._saved_state = None
    model.resume_training(torch.load(path, weights_only=True))
    note(model, 4, 25.0)
    assert torch.load(path, weights_only=True)['validated'] == ['Val']


def test_a_metric_added_when_resuming_starts_without_a_record(build, batches, train):
    model = train(build(), batches(3), save_at=(3,))
    note(model, 3, 25.0)
    psnr = {'type': 'calculate_psnr', 'crop_border': 2, 'test_y_channel': False}
    resumed = build(resume=3, val={'metrics': {'rgb': psnr}})
    assert resumed.best_metric_results['Val']['psnr']['val'] == 25.0
    assert resumed.best_metric_results['Val']['rgb']['val'] == float('-inf')
    dropped = build(resume=3, val={'metrics': {'rgb': psnr, 'psnr': ...}})
    assert list(dropped.best_metric_results['Val']) == ['rgb']


@pytest.mark.parametrize('val', [None, {'metrics': ...}, {'metrics': None}])
def test_the_best_so_far_outlasts_a_run_that_measures_nothing(build, batches, train, val):
    note(train(build(), batches(3), save_at=(3,)), 3, 25.0)
    without = build(resume=3, val=val)
    train(without, batches(5), first=4, save_at=(5,))
    assert build(resume=5).best_metric_results == {'Val': {'psnr': {'better': 'higher', 'val': 25.0, 'iter': 3}}}


def test_the_state_is_not_rewritten_once_the_weights_have_moved_on(build, batches, train, tmp_path):
    model = train(build(), batches(3), save_at=(3,))
    path = tmp_path / 'experiments/tiny/training_states/3.state'
    before = path.read_bytes()
    train(model, batches(4), first=4)
    note(model, 4, 25.0)
    assert path.read_bytes() == before


def test_leftovers_of_a_killed_save_are_cleared_when_resuming(build, batches, train, tmp_path):
    train(build(), batches(3), save_at=(3,))
    leftover = tmp_path / f'experiments/tiny/models/.net_g_4.pth.{atomic.host()}.abc.tmp'
    leftover.touch()
    build(resume=3)
    assert not leftover.exists()
