"""Real training runs of the launcher: killed, interrupted, starved and damaged."""

import os
import random
import re
import resource
import shutil
import signal
import time

import pytest
import torch

#: Runs killed by ``test_a_run_killed_again_and_again...``; the long version is BSR_KILLS=20.
KILLS = int(os.environ.get('BSR_KILLS', '3'))
TOTAL = 40 + 20 * KILLS

pytestmark = pytest.mark.slow


@pytest.fixture
def recipe(training_run):
    """Makes runs that log every iteration, save every fifth and draw their patches in a worker process."""

    def make(name, **changes):
        settings = {
            'datasets': {'train': {'num_worker_per_gpu': 1, 'dataset_enlarge_ratio': 25}},
            'train': {'total_iter': TOTAL, 'channels_last': True, 'fused': True},
            'val': {'val_freq': 20},
            'logger': {'print_freq': 1, 'save_checkpoint_freq': 5, 'keep_best': 'psnr'},
        }
        for section, values in changes.items():
            settings[section] = {**settings.get(section, {}), **values}
        return training_run(name, **settings)

    return make


_finished = {}


@pytest.fixture
def uninterrupted(recipe, tmp_path_factory):
    """The same run, never disturbed; made once."""
    if not _finished:
        run = recipe('uninterrupted')
        status, output = run.finish()
        assert status == 0, output
        _finished['root'] = tmp_path_factory.mktemp('finished') / 'experiments'
        shutil.copytree(run.root / 'experiments', _finished['root'])
    return _finished['root'] / 'tiny'


def assert_ended_like(run, uninterrupted, same):
    for name in (f'models/net_g_{TOTAL}.pth', 'models/net_g_latest.pth', 'models/net_g_best.pth'):
        expected, got = (torch.load(folder / name, weights_only=True) for folder in (uninterrupted, run.experiment))
        assert same(expected, got), name
    states = [torch.load(folder / f'training_states/{TOTAL}.state', weights_only=True)
              for folder in (uninterrupted, run.experiment)]  # fmt: skip
    for state in states:
        del state['random'], state['epoch']
    assert same(*states)


def iterations(process):
    """The iterations a run logs, as it logs them."""
    for line in process.stdout:
        found = re.search(r'iter: *([\d,]+)', line)
        if found and 'lr:' in line:
            yield int(found[1].replace(',', ''))


def kill_somewhere(run, generator, *words):
    """Starts a run and kills its processes in a random iteration or while it starts; gives whether it was alive."""
    process = run.start(*words)
    if generator.random() < 0.2:
        time.sleep(generator.uniform(0, 0.5))
    else:
        left = generator.randrange(1, 30)
        for _ in iterations(process):
            left -= 1
            if not left:
                break
        time.sleep(generator.uniform(0, 0.03))
    alive = process.poll() is None
    process.end()
    run.programs.finish(process, 60)
    return alive


def test_a_run_killed_again_and_again_ends_with_the_bits_of_an_uninterrupted_one(recipe, uninterrupted, same):
    run, generator = recipe('killed'), random.Random(KILLS)
    killed = sum(kill_somewhere(run, generator, '--auto_resume') for _ in range(KILLS))
    assert killed == KILLS
    status, output = run.finish('--auto_resume')
    assert status == 0, output
    assert_ended_like(run, uninterrupted, same)
    assert not list(run.experiment.rglob('.*.tmp'))


def test_a_truncated_state_is_passed_over_and_the_run_ends_alike(recipe, uninterrupted, same):
    run = recipe('truncated')
    shutil.copytree(uninterrupted.parent, run.root / 'experiments')
    newest = run.states / f'{TOTAL}.state'
    os.truncate(newest, newest.stat().st_size - 1000)
    (run.models / 'net_g_best.pth').unlink()
    status, output = run.finish('--auto_resume')
    assert status == 0, output
    assert f'{TOTAL}.state skipped: ' in output
    assert 'is damaged or not a checkpoint' in output
    assert f'iter: {TOTAL - 5}.' in output
    assert any(f'{TOTAL}.state skipped: ' in log.read_text() for log in run.experiment.glob('*.log'))
    assert (uninterrupted / 'models/net_g_best.pth').exists()
    expected, got = (torch.load(folder / f'models/net_g_{TOTAL}.pth', weights_only=True)
                     for folder in (uninterrupted, run.experiment))  # fmt: skip
    assert same(expected, got)


@pytest.mark.parametrize(('number', 'status', 'mode'), [(signal.SIGTERM, 143, None), (signal.SIGINT, 130, 'cpu')])
def test_a_signal_to_the_whole_job_saves_and_the_next_start_goes_on(recipe, uninterrupted, same, number, status, mode):
    run = recipe(
        'stopped', datasets={'train': {'num_worker_per_gpu': 1, 'dataset_enlarge_ratio': 25, 'prefetch_mode': mode}}
    )
    process = run.start('--auto_resume')
    seen = next(iteration for iteration in iterations(process) if iteration > 6)
    os.killpg(process.pid, number)
    output, _ = run.programs.finish(process, 60)
    assert process.returncode == status, output
    assert 'Traceback' not in output
    stopped = int(re.search(r'stopped after iteration (\d+)', output)[1])
    assert seen <= stopped < TOTAL
    assert run.saved()[-1] == stopped
    end, output = run.finish('--auto_resume')
    assert end == 0, output
    assert f'iter: {stopped}.' in output
    assert_ended_like(run, uninterrupted, same)


def test_a_second_training_of_the_same_name_is_refused_while_the_first_one_lives(recipe, uninterrupted, same):
    run = recipe('twice')
    process = run.start('--auto_resume')
    next(iteration for iteration in iterations(process) if iteration > 6)
    os.kill(process.pid, signal.SIGSTOP)
    before = {path: path.stat().st_mtime_ns for path in run.root.rglob('*') if 'experiments' in path.parts}
    for words in ([], ['--auto_resume']):
        status, output = run.finish(*words)
        assert status == 2, output
        assert f'{run.experiment} is in use by another training: wait for its end, or change the name.' in output
    assert {path: path.stat().st_mtime_ns for path in run.root.rglob('*') if 'experiments' in path.parts} == before
    os.kill(process.pid, signal.SIGKILL)
    run.programs.finish(process, 60)
    status, output = run.finish('--auto_resume')
    assert status == 0, output
    assert_ended_like(run, uninterrupted, same)


def test_a_validation_that_was_not_finished_is_repeated_and_the_run_ends_alike(recipe, uninterrupted, same):
    run = recipe('validation')
    shutil.copytree(uninterrupted.parent, run.root / 'experiments')
    before, cut = (torch.load(run.states / f'{iteration}.state', weights_only=True) for iteration in (15, 20))
    assert cut['validated'] == ['Val']
    for state in run.states.glob('*.state'):
        if int(state.stem) > 20:
            state.unlink()
    # What lies on the disk when the process dies in the validation of iteration 20.
    torch.save({**cut, 'validated': [], 'best_metric_results': before['best_metric_results']}, run.states / '20.state')
    (run.models / 'net_g_best.pth').unlink()
    for log in run.experiment.glob('*.log'):
        expected = re.findall('# psnr: ([0-9.]+)', log.read_text())
        log.unlink()
    status, output = run.finish('--auto_resume')
    assert status == 0, output
    assert 'Validation of iteration 20 was not finished: repeated for Val.' in output
    assert re.findall('# psnr: ([0-9.]+)', output) == expected
    assert torch.load(run.states / '20.state', weights_only=True)['best_metric_results'] == cut['best_metric_results']
    assert_ended_like(run, uninterrupted, same)
    assert 'repeated for' not in run.finish('--auto_resume')[1]


def test_a_loss_that_is_not_finite_ends_the_run_with_a_sentence(recipe):
    run = recipe(
        'nan', train={'total_iter': 9, 'optim_g': {'type': 'Adam', 'lr': 1e30}}, logger={'save_checkpoint_freq': 1}
    )
    status, output = run.finish()
    assert status == 1, output
    assert 'Traceback' not in output
    last = output.strip().splitlines()[-1]
    assert re.fullmatch(r'train\.py: stopped: iteration 2: l_pix is (nan|inf), .*photo\d.*', last), last
    assert run.saved() == [1]
    assert torch.isfinite(run.weights(1)['params']['conv_last.weight']).all()


def test_a_disk_that_fills_up_ends_the_run_with_a_sentence(recipe):
    run = recipe('full')
    process = run.start()
    next(iteration for iteration in iterations(process) if iteration > 5)
    before = run.saved()
    # From now on no file can grow beyond this; a checkpoint needs more.
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1000, 1000))
    output, _ = run.programs.finish(process, 60)
    assert process.returncode == 1, output
    last = output.strip().splitlines()[-1]
    sentence = r'stopped: .*net_g_\d+\.pth could not be saved: File too large; checkpoints saved before are untouched'
    assert re.search(sentence, last), last
    assert before
    assert set(before) <= set(run.saved())
    assert not list(run.experiment.rglob('.*.tmp'))
    assert torch.load(run.states / f'{before[-1]}.state', weights_only=True)['iter'] == before[-1]


def test_the_copy_of_the_option_file_resumes_its_run_and_begins_no_other(recipe):
    run = recipe('copy', train={'total_iter': 5})
    assert run.finish()[0] == 0
    run.option_file = run.experiment / 'run.yml'
    before = run.option_file.read_bytes()
    run.option_file.write_bytes(before.replace(b'total_iter: 5', b'total_iter: 10'))
    status, output = run.finish('--auto_resume')
    assert (status, run.saved()) == (0, [5, 10]), output
    assert run.option_file.read_bytes() == before.replace(b'total_iter: 5', b'total_iter: 10')
    status, output = run.finish()
    assert status == 2
    assert 'copy/experiments/tiny/run.yml lies in the folder that the new run would rename: copy it' in output
    assert [path.name for path in run.experiment.parent.iterdir()] == ['tiny']
