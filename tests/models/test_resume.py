import os

import pytest
import torch

from bsr_plugin.errors import InputError
from bsr_plugin.models import checkpoint
from bsr_plugin.models.resume import missing_validations, newest_readable, read_state
from bsr_plugin.toolbox.resume import load_resume_state

STATE = {'epoch': 2, 'optimizers': [], 'schedulers': []}


@pytest.fixture
def experiment(tmp_path):
    """Folders of an experiment, and a function that puts a pair of weights and state there."""
    models, states = tmp_path / 'models', tmp_path / 'training_states'
    models.mkdir()
    states.mkdir()

    def pair(iteration, **further):
        name = f'net_g_{iteration}.pth'
        receipt = checkpoint.write(models / name, {'params': {'weight': torch.full((50,), float(iteration))}})
        state = {**STATE, 'iter': iteration, 'weights': {name: receipt}, **further}
        checkpoint.write(states / f'{iteration}.state', state)

    return models, states, pair


def options(models, states, **path):
    return {
        'auto_resume': True,
        'manual_seed': 5,
        'rank': 0,
        'network_g': {},
        'path': {'models': str(models), 'training_states': str(states), 'resume_state': None, **path},
    }


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def flip(path):
    data = bytearray(path.read_bytes())
    data[data.index(b'optimizers' if path.suffix == '.state' else b'weight')] ^= 1
    path.write_bytes(data)


def fill_with_code(path):
    torch.save({**STATE, 'iter': 30, 'hook': os.system}, path)


def overwrite(data):
    return lambda models, states: (states / '30.state').write_bytes(data)


DAMAGES = {
    'state cut in a number': overwrite(b'\x80\x02X\x04\x00'),
    'state of text': overwrite(b'0garbage'),
    'state truncated': lambda models, states: truncate(states / '30.state'),
    'state emptied': lambda models, states: os.truncate(states / '30.state', 0),
    'state flipped': lambda models, states: flip(states / '30.state'),
    'state with code': lambda models, states: fill_with_code(states / '30.state'),
    'state of something else': lambda models, states: torch.save({'epoch': 3}, states / '30.state'),
    'weights truncated': lambda models, states: truncate(models / 'net_g_30.pth'),
    'weights flipped': lambda models, states: flip(models / 'net_g_30.pth'),
    'weights gone': lambda models, states: (models / 'net_g_30.pth').unlink(),
    'weights of another run': lambda models, states: (models / 'net_g_20.pth').replace(models / 'net_g_30.pth'),
}


@pytest.mark.parametrize('damage', DAMAGES)
def test_the_newest_readable_state_is_taken_and_the_others_named(experiment, damage, capsys):
    models, states, pair = experiment
    for iteration in (9, 10, 20, 30):
        pair(iteration)
    DAMAGES[damage](models, states)
    opt = options(models, states)
    state = load_resume_state(opt)
    expected = 10 if damage == 'weights of another run' else 20
    assert state['iter'] == expected
    assert len(state['skipped']) == (2 if expected == 10 else 1)
    assert state['skipped'][0].startswith('30.state skipped: ')
    assert state['skipped'][0] in capsys.readouterr().out
    assert opt['path']['resume_state'] == str(states / f'{expected}.state')
    assert opt['path']['pretrain_network_g'] == str(models / f'net_g_{expected}.pth')


def test_undamaged_states_are_taken_by_number_and_nothing_is_skipped(experiment):
    models, states, pair = experiment
    for iteration in (9, 10):
        pair(iteration)
    found = newest_readable(states, models)
    assert (found.path.name, found.skipped) == ('10.state', [])


def test_without_any_state_the_run_begins(experiment, tmp_path):
    models, states, _ = experiment
    assert load_resume_state(options(models, states)) is None
    assert load_resume_state(options(models, tmp_path / 'absent')) is None
    assert load_resume_state({**options(models, states), 'auto_resume': False}) is None


def test_if_no_state_can_be_read_the_run_does_not_begin_anew_by_itself(experiment):
    models, states, pair = experiment
    pair(10)
    pair(20)
    for iteration in (10, 20):
        truncate(states / f'{iteration}.state')
    with pytest.raises(
        InputError, match=r'no training state in .* can be read \(20\.state skipped: .*10\.state skipped: .*'
    ):
        load_resume_state(options(models, states))


def test_a_named_state_must_be_readable(experiment):
    models, states, pair = experiment
    pair(10)
    pair(20)
    opt = {**options(models, states, resume_state=str(states / '10.state')), 'auto_resume': False}
    assert load_resume_state(opt)['iter'] == 10
    truncate(states / '10.state')
    with pytest.raises(InputError, match=r'10\.state is damaged or not a checkpoint'):
        load_resume_state(opt)


def test_a_state_of_another_run_is_called_that(experiment, tmp_path):
    _, states, pair = experiment
    pair(10)
    models = tmp_path / 'mine' / 'models'
    models.mkdir(parents=True)
    opt = {**options(models, states, resume_state=str(states / '10.state')), 'auto_resume': False}
    for there in ('no weights', 'weights of the same iteration'):
        if there != 'no weights':
            checkpoint.write(models / 'net_g_10.pth', {'params': {'weight': torch.zeros(50)}})
        with pytest.raises(InputError) as caught:
            load_resume_state(opt)
        assert str(caught.value) == (
            f'{states / "10.state"} is a state of another run: set name to {tmp_path.name} to continue that run, or '
            f'path.pretrain_network_g to {tmp_path / "models/net_g_10.pth"} to start this one from its weights'
        )


@pytest.mark.parametrize(('ignored', 'entry'), [(['network_g'], 'params_ema'), (None, 'params')])
def test_weights_that_are_not_those_of_the_state_keep_their_entry(experiment, ignored, entry):
    models, states, pair = experiment
    pair(10)
    path = {'pretrain_network_g': 'other.pth', 'param_key_g': 'params_ema', 'ignore_resume_networks': ignored}
    opt = options(models, states, **path)
    load_resume_state(opt)
    assert opt['path']['param_key_g'] == entry
    assert opt['path']['pretrain_network_g'] == ('other.pth' if ignored else str(models / 'net_g_10.pth'))


def test_the_current_folder_does_not_matter(experiment, monkeypatch, tmp_path):
    models, states, pair = experiment
    pair(10)
    (tmp_path / 'elsewhere').mkdir()
    monkeypatch.chdir(tmp_path / 'elsewhere')
    assert load_resume_state(options(models, states))['iter'] == 10


def test_srmodels_states_need_their_weights_too(experiment):
    models, states, pair = experiment
    pair(10)
    torch.save({**STATE, 'iter': 20}, states / '20.state')
    found = newest_readable(states, models)
    assert found.state['iter'] == 10
    assert 'net_g_20.pth does not exist' in found.skipped[0]
    torch.save({'params': {}}, models / 'net_g_20.pth')
    assert newest_readable(states, models).state['iter'] == 20


def test_a_run_without_a_seed_of_its_own_keeps_the_one_it_began_with(experiment, capsys):
    models, states, pair = experiment
    pair(10, manual_seed=42)
    opt = {**options(models, states), 'rank': 1}
    load_resume_state(opt)
    assert opt['manual_seed'] == 42
    assert torch.initial_seed() == 43
    assert 'manual_seed is 42' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('content', 'lacks'),
    [
        ({'epoch': 1, 'iter': 2, 'optimizers': []}, 'schedulers'),
        ([1], 'epoch, iter, optimizers, schedulers'),
    ],
)
def test_what_a_state_lacks_is_named(experiment, content, lacks):
    models, states, _ = experiment
    torch.save(content, states / '2.state')
    with pytest.raises(InputError, match=f'2.state is not a training state: it has no {lacks}$'):
        read_state(states / '2.state', models)


@pytest.mark.parametrize(
    ('state', 'missing'),
    [
        ({'iter': 20, 'validated': []}, ['Set5', 'Set14']),
        ({'iter': 20, 'validated': ['Set5']}, ['Set14']),
        ({'iter': 20, 'validated': ['Set5', 'Set14']}, []),
        ({'iter': 15, 'validated': []}, []),
        ({'iter': 20}, []),
    ],
)
def test_validations_are_missing_where_they_were_due_and_the_state_does_not_tell_of_them(state, missing):
    datasets = {'train': {'name': '291'}, 'val': {'name': 'Set5'}, 'val_2': {'name': 'Set14'}}
    assert missing_validations({'datasets': datasets, 'val': {'val_freq': 10}}, state) == missing
    assert missing_validations({'datasets': datasets}, state) == []
