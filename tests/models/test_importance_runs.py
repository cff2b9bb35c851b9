"""Real training runs with importance sampling: the same bits however they are loaded and interrupted."""

import re
import shutil

import numpy as np
import pytest
import torch

pytestmark = pytest.mark.slow

#: Ten iterations are an epoch; states are saved inside epochs and between them.
TOTAL = 35


@pytest.fixture
def recipe(training_run):
    """Makes runs that draw by importance, with options of the loading as keywords."""

    def make(name, **loading):
        train = {'sampling': 'importance', 'pic_bins': 4, 'pic_spacing': 'quantile', 'dataset_enlarge_ratio': 10}
        return training_run(
            name,
            datasets={'train': {**train, **loading}},
            train={'total_iter': TOTAL},
            val={'val_freq': 20},
            logger={'print_freq': 5, 'save_checkpoint_freq': 5},
        )

    return make


def percents(output):
    """The law of every epoch that a run logs."""
    return [[float(word) for word in row.split()] for row in re.findall(r'^percent (.*)$', output, re.MULTILINE)]


def without_random(path):
    state = torch.load(path, weights_only=True)
    del state['random'], state['best_metric_results']
    return state


def test_killed_and_resumed_with_other_workers_a_run_ends_with_the_same_bits(recipe, same):
    whole = recipe('whole')
    status, output = whole.finish()
    assert status == 0, output
    laws = percents(output)
    assert len(laws) == 4
    shares = laws[0]  # no losses yet: the law of uniform sampling
    assert all(np.abs(np.subtract(law, shares)).max() > 0.2 for law in laws[1:])
    state = without_random(whole.states / f'{TOTAL}.state')
    squares, numbers = state['parts']['interval_losses']['over'].numpy()
    assert numbers.sum() == pytest.approx(40 * (1 + 0.5 + 0.25))
    asked = shares * np.sqrt(squares / numbers)
    assert laws[3] == pytest.approx(0.8 * 100 * asked / asked.sum() + 0.2 * np.array(shares), abs=0.02)

    workers = {'num_worker_per_gpu': 2, 'persistent_workers': True, 'prefetch_mode': 'cpu', 'num_prefetch_queue': 4}
    # In the middle of an epoch, whose law comes from the epoch before it, and at the end of one.
    for iteration in (15, 20):
        run = recipe(f'killed{iteration}', **workers)
        shutil.copytree(whole.root / 'experiments', run.root / 'experiments')
        for path in [*run.states.glob('*.state'), *run.models.glob('net_g_*.pth')]:
            if not path.stem.removeprefix('net_g_').isdigit() or int(path.stem.removeprefix('net_g_')) > iteration:
                path.unlink()
        status, output = run.finish('--auto_resume')
        assert status == 0, output
        assert percents(output)[-1] == laws[3]
        assert same(run.weights(TOTAL), whole.weights(TOTAL))
        assert same(without_random(run.states / f'{TOTAL}.state'), state)


def test_two_ranks_draw_by_the_losses_of_both_and_resume(recipe, same):
    whole = recipe('whole')
    status, output = whole.finish(processes=2)
    assert status == 0, output
    state = torch.load(whole.states / '10.state', weights_only=True)['parts']['interval_losses']
    # Five iterations are an epoch of two ranks: of ten, the second epoch's are not in force yet.
    assert state['over'][1].sum() == 2 * 5 * 4
    assert [collected[1].sum() for collected in state['collected']] == [20, 20]
    run = recipe('resumed')
    shutil.copytree(whole.root / 'experiments', run.root / 'experiments')
    for path in run.states.glob('*.state'):
        if int(path.stem) > 15:
            path.unlink()
    status, output = run.finish('--auto_resume', processes=2)
    assert status == 0, output
    assert same(run.weights(TOTAL), whole.weights(TOTAL))


def test_srmodel_is_refused_before_anything_is_made(training_run):
    run = training_run('stock', model_type='SRModel', datasets={'train': {'sampling': 'importance'}})
    status, output = run.finish()
    assert status == 2, output
    assert '`datasets.train.sampling`: importance gives every sample a weight, which SRModel does not read' in output
    assert not run.experiment.exists()
