"""Equal seconds: the iterations that fit, and what keeps its share of them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bsr_plugin.errors import InputError
from bsr_plugin.options import check_options
from bsr_plugin.study.budget import iterations_within, stretched, within_budget
from bsr_plugin.study.planning import plan_study


@given(st.floats(0.1, 1e4), st.floats(0.01, 1e3))
def test_the_iterations_are_the_most_that_fit_in_quarters(seconds, rate):
    count = iterations_within(seconds, rate)
    assert count % 4 == 0
    assert count / rate <= seconds * (1 + 1e-9)
    assert (count + 4) / rate > seconds * (1 - 1e-9)


def test_every_variant_has_its_own_iterations_and_a_validation_at_every_quarter(study_file):
    plan = plan_study(study_file(seconds=8))
    assert plan.cells[0].iterations == 30
    within = within_budget(plan, {'rfs': 7.9, 'uniform': 20})
    assert {(cell.variant, cell.iterations, cell.train['val']['val_freq']) for cell in within.cells} == {
        ('rfs', 60, 15), ('uniform', 160, 40),
    }  # fmt: skip
    assert {cell.variant: cell.train['train']['scheduler']['milestones'] for cell in within.cells} == {
        'rfs': [40], 'uniform': [107],
    }  # fmt: skip
    assert [cell.test for cell in within.cells] == [cell.test for cell in plan.cells]
    assert all(check_options(cell.train, is_train=True) == [] for cell in within.cells)
    assert plan.cells[0].train['val']['val_freq'] == 10
    with pytest.raises(InputError, match=r'variant rfs makes 0\.4 iterations per second: seconds 8 are less than 4'):
        within_budget(plan, {'rfs': 0.4, 'uniform': 20})
    assert within_budget(replace(plan, seconds=None), {}).cells == plan.cells


def test_whatever_is_counted_in_iterations_keeps_its_share(plan):
    options = plan.cells[0].train
    train = {
        **options['train'],
        'warmup_iter': 6,
        'scheduler': {'type': 'CosineAnnealingRestartLR', 'periods': [9, 21], 'restart_weights': [1, 0.5]},
    }
    dataset = {**options['datasets']['train'], 'pic_balance': {'from': 0.7, 'to': 0, 'between': [0, 24]}}
    longer = stretched({**options, 'train': train, 'datasets': {**options['datasets'], 'train': dataset}}, 100)
    assert longer['train']['total_iter'] == 100
    assert longer['train']['warmup_iter'] == 20
    assert longer['train']['scheduler']['periods'] == [30, 70]
    assert longer['train']['scheduler']['restart_weights'] == [1, 0.5]
    assert longer['datasets']['train']['pic_balance'] == {'from': 0.7, 'to': 0, 'between': [0, 80]}
    assert check_options(longer, is_train=True) == []
    assert dataset['pic_balance']['between'] == [0, 24]
    assert stretched(options, 100)['train'].get('warmup_iter') == options['train'].get('warmup_iter')


@given(st.lists(st.integers(1, 50), min_size=1, max_size=6), st.integers(4, 1000))
def test_periods_always_reach_the_last_iteration(periods, iterations):
    train = {'total_iter': sum(periods), 'scheduler': {'type': 'CosineAnnealingRestartLR', 'periods': periods}}
    own = stretched({'train': train, 'datasets': {'train': {}}}, iterations)['train']['scheduler']['periods']
    assert len(own) == len(periods)
    assert min(own) >= 1
    assert sum(own) >= iterations
    assert sum(own) <= iterations + len(periods)
