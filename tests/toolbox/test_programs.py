"""Whole programs in processes of their own: the launchers, and programs of an unmodified toolbox with the plugin."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from importlib import util
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]

OPTIONS = """
bsr_plugin: !!python/name:bsr_plugin.__version__
name: tiny
model_type: SRModel
scale: 2
num_gpu: auto
manual_seed: 0
datasets:
  train: {{name: a, type: PairedImageDataset, dataroot_gt: {folder}/gt, dataroot_lq: {folder}/lq,
          io_backend: {{type: disk}}, gt_size: 32, use_hflip: true, use_rot: true, num_worker_per_gpu: 0,
          batch_size_per_gpu: 1, dataset_enlarge_ratio: 4, prefetch_mode: {prefetch_mode}, pin_memory: true}}
  val: {{name: b, type: PairedImageDataset, dataroot_gt: {folder}/gt, dataroot_lq: {folder}/lq,
         io_backend: {{type: disk}}}}
network_g: {{type: BSRNet, num_feat: 4, num_group: 1, num_block: 1, upscale: 2}}
path: {{pretrain_network_g: ~, strict_load_g: true, resume_state: ~}}
train:
  ema_decay: 0.9
  optim_g: {{type: Adam, lr: !!float 1e-3}}
  scheduler: {{type: MultiStepLR, milestones: [3], gamma: 0.5}}
  total_iter: {total_iter}
  pixel_opt: {{type: L1Loss}}
val:
  val_freq: {total_iter}
  save_img: false
  metrics: {{psnr: {{type: calculate_psnr, crop_border: 2}}}}
logger: {{print_freq: 1, save_checkpoint_freq: 2, use_tb_logger: true, wandb: {{project: ~}}}}
"""


@pytest.fixture
def run(programs):
    """Runs Python and returns what it printed; any failure is an error that shows it."""

    def make(words, folder, **variables):
        env = {**os.environ, 'OMP_NUM_THREADS': '1', **variables}
        done = programs.run([sys.executable, *words], cwd=folder, env=env, stderr=subprocess.STDOUT)
        assert done.returncode == 0, done.stdout
        return done.stdout

    return make


@pytest.fixture
def images(tmp_path):
    """Four pairs of random images in ``gt`` and ``lq``."""
    generator = np.random.default_rng(0)
    for name, side in (('gt', 64), ('lq', 32)):
        (tmp_path / name).mkdir()
        for index in range(4):
            cv2.imwrite(
                str(tmp_path / name / f'{index}.png'), generator.integers(0, 256, (side, side, 3), dtype=np.uint8)
            )
    return tmp_path


@pytest.fixture
def launch_forked(programs):
    """Runs a launcher with its imports done, as one or two ranks; returns what it printed; any failure shows it."""

    def make(words, folder, ranks=1):
        env = {**os.environ, 'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''}
        if ranks == 2:
            status, printed = programs.run_two_ranks([*words, '--launcher', 'pytorch'], env, cwd=folder)
        else:
            process = programs.fork(words, env, cwd=folder)
            printed, _ = programs.finish(process)
            status = process.returncode
        assert status == 0, printed
        return printed

    return make


def option_file(folder, total_iter=4, prefetch_mode='~'):
    path = folder / 'tiny.yml'
    path.write_text(OPTIONS.format(folder=folder, total_iter=total_iter, prefetch_mode=prefetch_mode))
    return path


def iterations(log):
    """The iteration numbers that a training log reports."""
    return [int(line.split('iter:')[1].split(',')[0]) for line in log.splitlines() if '[epoch:' in line]


@pytest.fixture
def clone(images):
    """The launchers alone, so that experiments land in a folder of the test."""
    shutil.copytree(ROOT / 'basicsr', images / 'clone/basicsr', ignore=shutil.ignore_patterns('__pycache__'))
    return images / 'clone'


def test_launcher_trains_in_two_processes_without_gpu(run, clone):
    torchrun = ['-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2']
    options = option_file(clone.parent, prefetch_mode='cuda')
    log = run([*torchrun, 'basicsr/train.py', '-opt', options, '--launcher', 'pytorch'], clone, CUDA_VISIBLE_DEVICES='')
    assert 'World size (gpu number): 2' in log
    assert iterations(log) == [1, 2, 3, 4]
    assert 'DistributedDataParallel - BSRNet' in log


@pytest.fixture
def checkout(images):
    """The programs of an unmodified toolbox, as a git checkout has them."""
    folder = images / 'checkout/basicsr'
    folder.mkdir(parents=True)
    for name in ('train', 'test'):
        shutil.copy(util.find_spec(f'basicsr.{name}').origin, folder / f'{name}.py')
    return images / 'checkout'


def as_test(options, weights):
    """An option file for a test, made of one for training."""
    text = options.read_text().replace('name: tiny', 'name: tested')
    opt = {line.split(':')[0]: line for line in text.splitlines()}
    path = options.with_name('test.yml')
    kept = [opt[key] for key in ('bsr_plugin', 'name', 'model_type', 'scale', 'num_gpu', 'manual_seed', 'network_g')]
    path.write_text(
        '\n'.join(kept)
        + f"""
datasets:
  test_1: {{name: b, type: PairedImageDataset, dataroot_gt: {options.parent}/gt, dataroot_lq: {options.parent}/lq,
            io_backend: {{type: disk}}}}
path: {{pretrain_network_g: {weights}, param_key_g: params_ema, strict_load_g: true}}
val: {{save_img: true, suffix: ~, metrics: {{psnr: {{type: calculate_psnr, crop_border: 2}}}}}}
"""
    )
    return path


def figures(log):
    return [float(line.split('# psnr:')[1].split()[0]) for line in log.splitlines() if '# psnr:' in line]


@pytest.mark.slow
@pytest.mark.parametrize(('host', 'engine'), [('checkout', 'BSRModel'), ('module', 'SRModel')])
def test_unmodified_toolbox_trains_validates_resumes_and_tests(run, images, checkout, engine, host):
    """``python basicsr/train.py`` of a checkout and ``python -m basicsr.train`` of the installed toolbox.

    Both import the toolbox before they read of the plugin.
    """

    def program(kind):
        return ['-m', f'basicsr.{kind}'] if host == 'module' else [checkout / f'basicsr/{kind}.py']

    def options(**changes):
        path = option_file(images, **changes)
        path.write_text(path.read_text().replace('model_type: SRModel', f'model_type: {engine}'))
        return path

    root = checkout if host == 'checkout' else Path(util.find_spec('basicsr').origin).parents[1]
    folder = root / 'experiments/tiny'
    try:
        log = run([*program('train'), '-opt', options()], checkout)
        assert iterations(log) == [1, 2, 3, 4]
        assert len(figures(log)) == 2
        log = run([*program('train'), '-opt', options(total_iter=6), '--auto_resume'], checkout)
        assert iterations(log) == [5, 6]
        trained = figures(log)[-1]
        states = {path.name for path in (folder / 'training_states').iterdir()}
        assert states == {'2.state', '4.state', '6.state'}
        weights = torch.load(folder / 'models/net_g_latest.pth', weights_only=True)
        assert {'params', 'params_ema'} <= weights.keys()
        log = run([*program('test'), '-opt', as_test(options(), folder / 'models/net_g_latest.pth')], checkout)
        assert figures(log) == [trained]
        assert len(list((root / 'results/tested/visualization/b').iterdir())) == 4
    finally:
        for top, name in (('experiments', 'tiny'), ('results', 'tested'), ('tb_logger', 'tiny')):
            shutil.rmtree(root / top / name, ignore_errors=True)
            if host == 'module' and (root / top).is_dir() and not list((root / top).iterdir()):
                (root / top).rmdir()


@pytest.mark.parametrize('library', ['libtorch_python', 'scipy/stats'])
def test_ctrl_c_in_the_first_seconds_is_one_line(programs, clone, library):
    """In the middle of importing PyTorch, and of what the toolbox imports."""
    program = [sys.executable, 'basicsr/train.py', '-opt', option_file(clone.parent, total_iter=4000)]
    # Programs of a shell's background jobs ignore Ctrl-C, and so would theirs.
    listening = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipes = {'stdout': subprocess.PIPE, 'stderr': subprocess.STDOUT}
    process = programs.start(program, cwd=clone, preexec_fn=listening, **pipes)
    maps = Path(f'/proc/{process.pid}/maps')
    while library not in maps.read_text():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said, _ = programs.finish(process, 60)
    assert process.returncode in (130, -signal.SIGINT), said
    assert 'Traceback' not in said, said


@pytest.mark.parametrize(('images_in_set', 'batch', 'ratio'), [(4, 3, 1), (2, 1, 3)])
def test_total_iter_means_total_iter(launch_forked, clone, images_in_set, batch, ratio):
    """BasicSR's own data set, whose epochs end before the batch does."""
    path = option_file(clone.parent, total_iter=11)
    for index in range(images_in_set, 4):
        for side in ('gt', 'lq'):
            (clone.parent / side / f'{index}.png').unlink()
    text = path.read_text().replace('batch_size_per_gpu: 1', f'batch_size_per_gpu: {batch}')
    path.write_text(text.replace('dataset_enlarge_ratio: 4', f'dataset_enlarge_ratio: {ratio}'))
    log = launch_forked([clone / 'basicsr/train.py', '-opt', path], clone)
    assert iterations(log) == list(range(1, 12))
    assert (clone / 'experiments/tiny/models/net_g_latest.pth').is_file()


@pytest.mark.slow
@pytest.mark.parametrize('engine', ['SRModel', 'BSRModel'])
def test_a_job_goes_on_with_fewer_ranks_to_its_last_iteration(launch_forked, clone, engine):
    path = option_file(clone.parent, total_iter=4)
    path.write_text(path.read_text().replace('model_type: SRModel', f'model_type: {engine}'))
    log = launch_forked([clone / 'basicsr/train.py', '-opt', path], clone, ranks=2)
    assert iterations(log) == [1, 2, 3, 4]
    path.write_text(path.read_text().replace('total_iter: 4', 'total_iter: 30'))
    log = launch_forked([clone / 'basicsr/train.py', '-opt', path, '--auto_resume'], clone)
    assert iterations(log) == list(range(5, 31))
    assert (clone / 'experiments/tiny/training_states/30.state').is_file()
    if engine == 'BSRModel':  # SRModel's states do not say with how many ranks they were made
        assert 'Resuming with 1 rank, batch size 1 per rank, 16 iterations per epoch; previously 2 ranks, ' in log


#: A program of the toolbox with one option file after the other.
ONE_AFTER_THE_OTHER = """
import runpy, sys
program, *files = sys.argv[1:]
for file in files:
    sys.argv = [program, '-opt', file]
    runpy.run_path(program, run_name='__main__')
"""


@pytest.mark.slow
def test_networks_of_the_toolbox_train_to_the_same_bits_with_and_without_the_plugin(run, images, checkout):
    """The same program and files; only the line that names the plugin is left out."""
    networks = {
        'EDSR': 'num_in_ch: 3, num_out_ch: 3, num_feat: 8, num_block: 2, upscale: 2',
        'MSRResNet': 'num_in_ch: 3, num_out_ch: 3, num_feat: 8, num_block: 2, upscale: 2',
        'RCAN': 'num_in_ch: 3, num_out_ch: 3, num_feat: 16, num_group: 1, num_block: 2, upscale: 2',
    }
    tag = 'bsr_plugin: !!python/name:bsr_plugin.__version__\n'
    for kind in ('with', 'without'):
        files = []
        for network, arguments in networks.items():
            text = option_file(images, total_iter=3).read_text().replace('name: tiny', f'name: {network}_{kind}')
            text = re.sub(r'(?m)^network_g: .*', f'network_g: {{type: {network}, {arguments}}}', text)
            files.append(images / f'{network}_{kind}.yml')
            files[-1].write_text(text if kind == 'with' else text.replace(tag, ''))
        log = run(['-c', ONE_AFTER_THE_OTHER, checkout / 'basicsr/train.py', *files], checkout)
        assert ('bsr_plugin' in log) == (kind == 'with')
    for network in networks:
        trained = [checkout / f'experiments/{network}_{kind}/models/net_g_latest.pth' for kind in ('with', 'without')]
        weights = [torch.load(path, weights_only=True) for path in trained]
        for key in ('params', 'params_ema'):
            for name, value in weights[0][key].items():
                assert torch.equal(value, weights[1][key][name]), (network, key, name)
