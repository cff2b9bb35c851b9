"""``train.optim_g``: what the installed toolbox builds, with the arguments that torch's classes take."""

import pytest
import torch
from basicsr.models.base_model import BaseModel

from bsr_plugin.options import registered

SEVEN = ('Adam', 'AdamW', 'Adamax', 'SGD', 'ASGD', 'RMSprop', 'Rprop')


@pytest.fixture
def newer_toolbox(monkeypatch):
    """A toolbox that builds the optimizers of BasicSR's repository."""

    def get_optimizer(self, optim_type, params, lr, **kwargs):
        if optim_type not in SEVEN:
            raise NotImplementedError(optim_type)
        return getattr(torch.optim, optim_type)(params, lr, **kwargs)

    monkeypatch.setattr(BaseModel, 'get_optimizer', get_optimizer)
    registered._optimizers.cache_clear()
    yield
    registered._optimizers.cache_clear()


def test_the_released_toolbox_builds_adam_alone(training, change, problems):
    assert registered.names('optimizer') == ['Adam']
    change(training, 'train.optim_g.type', 'AdamW')
    assert problems(training) == ["`train.optim_g.type`: the installed BasicSR does not build 'AdamW', only Adam"]


@pytest.mark.parametrize('name', SEVEN)
def test_a_newer_one_builds_more(newer_toolbox, training, change, problems, name):
    change(training, 'train.optim_g.type', name)
    assert problems(training) == []


@pytest.mark.parametrize(
    ('options', 'line'),
    [
        ({'type': 'SGD', 'lr': 0.1, 'momentum': 0.9}, None),
        ({'type': 'SGD', 'lr': 0.1, 'betas': [0.9, 0.99]}, '`train.optim_g.betas`: unknown key; known here: '),
        ({'type': 'SGD', 'lr': 0.1, 'momentun': 0.9}, '`train.optim_g.momentun`: did you mean `momentum`?'),
        ({'type': 'SGD'}, '`train.optim_g.lr`: missing'),
        (
            {'type': 'SGD', 'lr': 0.1, 'nesterov': True},
            '`train.optim_g`: SGD does not take these values: Nesterov momentum requires a momentum and zero dampening',
        ),
        (
            {'type': 'Rprop', 'lr': 0.1, 'etas': [2, 1]},
            '`train.optim_g`: Rprop does not take these values: Invalid eta',
        ),
        (
            {'type': 'RMSprop', 'lr': 0.1, 'alpha': -1},
            '`train.optim_g`: RMSprop does not take these values: Invalid al',
        ),
        (
            {'type': 'SDG', 'lr': 0.1},
            "`train.optim_g.type`: the installed BasicSR does not build 'SDG', only ASGD, Adam,",
        ),
    ],
)
def test_their_arguments_are_torchs(newer_toolbox, training, problems, options, line):
    training['train']['optim_g'] = options
    found = problems(training)
    assert (found == []) if line is None else (len(found) == 1 and found[0].startswith(line)), found
