"""Two processes over gloo, under torchrun where its own part counts."""

import os
import re
import signal
import socket
import subprocess
import textwrap
import time

import pytest
import torch
import yaml

pytestmark = pytest.mark.slow

#: What both ranks of a job do: a model as the launcher builds it, and no launcher around it.
PREAMBLE = """
    import datetime, os, signal, sys, time
    import torch, yaml
    import torch.distributed as dist
    import bsr_plugin
    from basicsr.models import build_model

    torch.set_num_threads(1)
    dist.init_process_group('gloo', timeout=datetime.timedelta(seconds=60))
    rank, out = dist.get_rank(), sys.argv[2]
    opt = yaml.safe_load(open(sys.argv[1]))
    opt.update(dist=True, rank=rank, world_size=2, is_train=True, auto_resume=False)
    opt['path'].update(models=out, training_states=out, visualization=out)
    torch.manual_seed(rank)
    model = build_model(opt)

    def batches(iteration):
        generator = torch.Generator().manual_seed(iteration)
        lq = torch.rand(8, 3, 12, 12, generator=generator)
        return {'lq': lq, 'gt': torch.rand(8, 3, 24, 24, generator=generator), 'lq_path': ['x'] * 8}

    def half(iteration):
        return {name: batch[4 * rank : 4 * rank + 4] for name, batch in batches(iteration).items()}

    def step(iteration):
        model.update_learning_rate(iteration)
        model.feed_data(half(iteration))
        model.optimize_parameters(iteration)
"""


@pytest.fixture
def two_ranks(tmp_path, options, programs):
    """Runs a program on two ranks; gives an exit status and the output."""

    def run(program, **changes):
        (tmp_path / 'opt.yml').write_text(yaml.safe_dump(options(**changes)))
        script = tmp_path / 'program.py'
        script.write_text(textwrap.dedent(PREAMBLE) + textwrap.dedent(program))
        environment = {'PYTHONPATH': str(_repository()), 'OMP_NUM_THREADS': '1', 'PATH': '/bin:/usr/bin'}
        return programs.run_two_ranks([script, tmp_path / 'opt.yml', tmp_path], environment)

    return run


def _repository():
    import bsr_plugin

    return bsr_plugin.__path__[0].rpartition('/')[0]


@pytest.mark.parametrize(
    ('switches', 'network'),
    [
        ({}, {}),
        ({'accumulate': 2, 'channels_last': True, 'fused': True}, {}),
        ({}, {'expansion': 3, 'upsampler': 'direct'}),
    ],
)
def test_gradients_losses_and_weights_are_those_of_one_process_with_the_joint_batch(
    two_ranks, build, tmp_path, switches, network
):
    program = """
        model.feed_data(half(1))
        model.losses = model._gradients(model.net_g)
        gradients = {name: weight.grad.clone() for name, weight in model.get_bare_model(model.net_g).named_parameters()}
        log = model.get_current_log()
        for iteration in (1, 2, 3):
            step(iteration)
        weights = model.get_bare_model(model.net_g).state_dict()
        torch.save({'gradients': gradients, 'log': log, 'weights': weights}, f'{out}/rank{rank}.pth')
        model.save(0, 3)
        dist.barrier()
    """
    status, output = two_ranks(program, train=switches, network_g=network)
    assert status == 0, output
    ranks = [torch.load(tmp_path / f'rank{rank}.pth', weights_only=True) for rank in (0, 1)]
    torch.manual_seed(0)
    alone = build(network_g=network, datasets={'train': {'batch_size_per_gpu': 8}})
    joint = _joint_batches()
    alone.feed_data(joint[0])
    alone.losses = alone._gradients(alone.net_g)
    gradients = {name: weight.grad.clone() for name, weight in alone.net_g.named_parameters()}
    log = alone.get_current_log()
    for iteration in (1, 2, 3):
        alone.feed_data(joint[iteration - 1])
        alone.optimize_parameters(iteration)
    for rank in ranks:
        torch.testing.assert_close(rank['gradients'], gradients, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(rank['weights'], dict(alone.net_g.state_dict()), rtol=1e-4, atol=1e-5)
    assert ranks[0]['log'] == pytest.approx(log, rel=1e-5)
    state = torch.load(tmp_path / '3.state', weights_only=True)
    assert len(state['random']) == 2
    assert not torch.equal(state['random'][0]['torch'], state['random'][1]['torch'])


def _joint_batches():
    batches = []
    for iteration in (1, 2, 3):
        generator = torch.Generator().manual_seed(iteration)
        lq = torch.rand(8, 3, 12, 12, generator=generator)
        batches.append({'lq': lq, 'gt': torch.rand(8, 3, 24, 24, generator=generator)})
    return batches


def test_a_validation_longer_than_the_groups_patience_times_nobody_out(two_ranks, tmp_path):
    program = """
        from basicsr.data import build_dataloader, build_dataset
        step(1)
        # From here on an exchange of gradients gives up after a few seconds, as NCCL's does after minutes.
        dist.distributed_c10d._set_pg_timeout(datetime.timedelta(seconds=6), dist.group.WORLD)
        opt = {**model.opt['datasets']['val'], 'phase': 'val', 'scale': 2}
        loader = build_dataloader(build_dataset(opt), opt)
        test = model.test
        model.test = lambda: (time.sleep(2.5), test())
        began = time.time()
        model.validation(loader, 1, None)
        assert time.time() - began > 9, 'all ranks waited for the validation'
        step(2)
        open(f'{out}/done{rank}', 'w').close()
        dist.barrier()
    """
    status, output = two_ranks(program)
    assert status == 0, output
    assert (tmp_path / 'done0').exists()
    assert (tmp_path / 'done1').exists()


def test_a_signal_to_one_rank_stops_all_at_the_same_iteration_with_one_state(two_ranks, tmp_path):
    program = """
        try:
            for iteration in range(1, 1000):
                if (rank, iteration) == (1, 5):
                    os.kill(os.getpid(), signal.SIGTERM)
                step(iteration)
        except SystemExit as error:
            with open(f'{out}/rank{rank}.txt', 'w') as file:
                file.write(f'{model.iteration} {error.code}')
            raise
    """
    status, output = two_ranks(program)
    assert status != 0
    told = [(tmp_path / f'rank{rank}.txt').read_text().split() for rank in (0, 1)]
    assert told[0] == told[1]
    iteration, code = map(int, told[0])
    assert iteration in (5, 6)
    assert code == 143
    assert sorted(path.name for path in tmp_path.glob('*.state')) == [f'{iteration}.state']
    assert 'Timed out' not in output


@pytest.fixture
def distributed(training_run):
    """A run for two ranks of the real launcher."""

    def make(name, **loading):
        return training_run(
            name,
            train={'total_iter': 40},
            val={'val_freq': 20},
            datasets={'train': {'dataset_enlarge_ratio': 200, **loading}},
            logger={'print_freq': 1, 'save_checkpoint_freq': 5},
        )

    return make


def _wait_for_state(run):
    deadline = time.time() + 300
    while not run.saved():
        assert time.time() < deadline
        time.sleep(0.02)


def _ranks_of(process):
    found = subprocess.run(['pgrep', '-P', str(process.pid), '-f', 'train.py'], capture_output=True, text=True)
    return [int(word) for word in found.stdout.split()]


def test_a_job_of_two_ranks_survives_a_killed_rank_and_a_signal_bit_for_bit(distributed, same):
    whole = distributed('whole')
    status, output = whole.finish(processes=2)
    assert status == 0, output
    assert whole.saved() == [5, 10, 15, 20, 25, 30, 35, 40]
    assert len(list(whole.experiment.glob('*.log'))) == 1

    # Processes of their own that load are killed and resumed with, and change no bit.
    run = distributed('disturbed', num_worker_per_gpu=1, persistent_workers=True)
    process = run.start_with_torchrun(processes=2)
    _wait_for_state(run)
    os.kill(_ranks_of(process)[1], signal.SIGKILL)
    output, _ = run.programs.finish(process, 120)
    assert process.returncode != 0
    first = run.saved()
    assert first
    assert first[-1] < 40, 'the run was killed before its end'

    process = run.start_with_torchrun('--auto_resume', processes=2)
    for line in process.stdout:
        if re.search(r'iter: .*lr:', line):
            process.send_signal(signal.SIGTERM)
            break
    output, _ = run.programs.finish(process, 120)
    assert process.returncode != 0
    stopped = int(re.search(r'stopped after iteration (\d+)', output)[1])
    assert first[-1] < stopped < 40
    assert run.saved()[-1] == stopped

    status, output = run.finish('--auto_resume', processes=2)
    assert status == 0, output
    assert same(run.weights(40), whole.weights(40))


def _as_slurm_task(run, task, scontrol, *words):
    variables = {'SLURM_PROCID': str(task), 'SLURM_NTASKS': '2', 'SLURM_NODELIST': 'node[1-2]'}
    return run.start('--launcher', 'slurm', *words, variables={**variables, 'PATH': f'{scontrol.parent}:/usr/bin:/bin'})


def _free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def test_tasks_of_slurm_stop_at_its_signal_and_the_requeued_job_goes_on(training_run, tmp_path):
    scontrol = tmp_path / 'bin' / 'scontrol'
    scontrol.parent.mkdir()
    scontrol.write_text('#!/bin/sh\necho 127.0.0.1\n')
    scontrol.chmod(0o755)
    run = training_run(
        'slurm',
        train={'total_iter': 40},
        logger={'print_freq': 1, 'save_checkpoint_freq': 100},
        dist_params={'backend': 'nccl', 'port': _free_port()},
    )
    tasks = [_as_slurm_task(run, task, scontrol, '--auto_resume') for task in (0, 1)]
    next(line for line in tasks[0].stdout if re.search(r'iter: .*lr:', line))
    for task in tasks:
        task.send_signal(signal.SIGTERM)
    outputs = [run.programs.finish(task, 60)[0] for task in tasks]
    assert [task.returncode for task in tasks] == [143, 143], outputs
    assert len(run.saved()) == 1
    tasks = [_as_slurm_task(run, task, scontrol, '--auto_resume') for task in (0, 1)]
    outputs = [run.programs.finish(task, 100)[0] for task in tasks]
    assert [task.returncode for task in tasks] == [0, 0], outputs
    assert f'iter: {run.saved()[0]}.' in outputs[0]
    assert run.saved()[-1] == 40


@pytest.mark.parametrize('model_type', ['SRModel', 'BSRModel'])
def test_validation_and_test_on_two_ranks_give_the_figures_of_one(training_run, model_type):
    # Without an averaged network, SRModel validates the one that exchanges gradients, on rank 0 alone.
    run = training_run('trained', model_type=model_type, train={'total_iter': 8, 'ema_decay': 0}, val={'val_freq': 4})
    status, output = run.finish(processes=2)
    assert status == 0, output
    validated = re.findall(r'# psnr: ([\d.]+)', output)
    assert len(validated) >= 2

    tests = training_run(
        'tested', model_type=model_type, train=..., logger=..., datasets={'train': ...},
        path={'pretrain_network_g': str(run.models / 'net_g_8.pth'), 'resume_state': ...}, val={'val_freq': ...},
    )  # fmt: skip
    for processes in (1, 2):
        status, output = tests.finish(processes=processes, script='test.py')
        assert status == 0, output
        assert re.findall(r'# psnr: ([\d.]+)', output) == validated[-1:]


@pytest.mark.parametrize('where', ['at once', 'backward'])
def test_where_one_rank_cannot_compile_none_does(two_ranks, tmp_path, where):
    program = f"""
        class FailsBackward(torch.autograd.Function):
            forward = staticmethod(lambda ctx, x: x.clone())

            @staticmethod
            def backward(ctx, gradient):
                raise RuntimeError('no C++ compiler')

        def compile_(net, dynamic):
            if rank == 0:
                return net
            if {where == 'at once'}:
                raise RuntimeError('no C++ compiler')
            return lambda x: net(FailsBackward.apply(x.requires_grad_()))

        torch.compile = compile_
        for iteration in (1, 2, 3):
            step(iteration)
        torch.save(model.get_bare_model(model.net_g).state_dict(), f'{{out}}/compiled{{rank}}.pth')
        dist.barrier()
        dist.destroy_process_group()
    """
    status, output = two_ranks(program, train={'compile': True})
    assert status == 0, output
    assert output.count('torch.compile failed on rank 1; continuing in eager mode: no C++ compiler') == 1
    left, right = (torch.load(tmp_path / f'compiled{rank}.pth', weights_only=True) for rank in (0, 1))
    torch.testing.assert_close(left, right, rtol=0, atol=0)
