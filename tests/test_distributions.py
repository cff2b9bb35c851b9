"""Wheel and sdist: what they hold, and that an environment with them alone is enough, outside the repository."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from importlib import util
from pathlib import Path

import cv2
import pytest
from skimage import data as photographs

from bsr_plugin import __version__
from bsr_plugin.cli import main

ROOT = Path(__file__).resolve().parents[1]

OPTIONS = """
bsr_plugin: !!python/name:bsr_plugin.__version__
name: installed
model_type: BSRModel
scale: 2
num_gpu: 0
manual_seed: 0
datasets:
  train: {name: a, type: RFSPairedImageDataset, dataroot_gt: data/HR_x2.lmdb, dataroot_lq: data/LR_bicubic_x2.lmdb,
          io_backend: {type: lmdb}, gt_size: 32, use_hflip: true, use_rot: true, sampling: rfs, num_worker_per_gpu: 0,
          batch_size_per_gpu: 2, dataset_enlarge_ratio: 20, prefetch_mode: ~}
  val: {name: b, type: SRBenchmarkDataset, dataroot_gt: images, degradation: bicubic}
network_g: {type: BSRNet, num_feat: 4, num_group: 1, num_block: 1, upscale: 2}
path: {pretrain_network_g: ~, strict_load_g: true}
train:
  optim_g: {type: Adam, lr: 1.0e-3}
  scheduler: {type: MultiStepLR, milestones: [3], gamma: 0.5}
  total_iter: 3
  pixel_opt: {type: HybridL1L2LpLoss}
val:
  val_freq: 3
  save_img: false
  metrics: {psnr_y: {type: calculate_psnr, crop_border: 2, test_y_channel: true}}
logger: {print_freq: 1, save_checkpoint_freq: 3, use_tb_logger: false}
"""


@pytest.fixture(scope='module')
def distributions(tmp_path_factory):
    """A wheel and an sdist, built of a copy of what is tracked besides docs."""
    folder = tmp_path_factory.mktemp('distributions')
    source = folder / 'source'
    ignore = shutil.ignore_patterns('__pycache__')
    for name in ('bsr_plugin', 'startup', 'basicsr', 'options', 'requirements', 'tests'):
        shutil.copytree(ROOT / name, source / name, ignore=ignore)
    for name in ('setup.py', 'pyproject.toml', 'MANIFEST.in', 'Makefile', 'README.md', 'LICENSE', 'CHANGELOG.md'):
        shutil.copy(ROOT / name, source)
    build = f"""
import setuptools.build_meta as backend
backend.build_sdist({str(folder)!r})
backend.build_wheel({str(folder)!r})
"""
    subprocess.run([sys.executable, '-c', build], cwd=source, check=True, capture_output=True, timeout=240)
    (wheel,) = folder.glob('*.whl')
    (sdist,) = folder.glob('*.tar.gz')
    return {'wheel': wheel, 'sdist': sdist, 'source': source}


def files_below(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob('*') if path.is_file()}


def test_wheel_holds_the_package_the_hook_and_nothing_else(distributions):
    held = {name for name in zipfile.ZipFile(distributions['wheel']).namelist() if '.dist-info/' not in name}
    package = {f'bsr_plugin/{name}' for name in files_below(distributions['source'] / 'bsr_plugin')}
    assert held == package | {'bsr_plugin.pth', 'bsr_plugin_hook.py'}


def test_sdist_holds_what_a_wheel_is_built_from_and_what_is_run(distributions):
    with tarfile.open(distributions['sdist']) as archive:
        held = {name.partition('/')[2] for name in archive.getnames() if archive.getmember(name).isfile()}
    source = distributions['source']
    wanted = {name for name in files_below(source) if not name.startswith(('tests/', 'build/', 'bsr_plugin.egg-info/'))}
    assert wanted <= held
    assert held - wanted == {'PKG-INFO', 'setup.cfg'} | {name for name in held if '.egg-info/' in name}


@pytest.fixture(params=['wheel', 'sdist'])
def installed(request, distributions, tmp_path):
    """The folder of programs of an environment with the distribution alone, its dependencies lent by this one.

    A path that a ``.pth`` file names brings packages, but none of the ``.pth`` files there: neither the editable
    installation of the repository nor its start-up hook.
    """
    venv.create(tmp_path / 'environment', with_pip=False)
    programs = tmp_path / 'environment' / ('Scripts' if os.name == 'nt' else 'bin')
    purelib = sysconfig.get_path('purelib', vars={'base': str(tmp_path / 'environment')})
    lent = Path(purelib) / 'lent.pth'
    lent.write_text(sysconfig.get_path('purelib') + '\n')
    pip = [sys.executable, '-m', 'pip', '--disable-pip-version-check', '--python', str(programs / 'python')]
    command = [*pip, 'install', '-q', '--no-deps', '--no-index', '--no-build-isolation', distributions[request.param]]
    subprocess.run(command, check=True, timeout=240, cwd=tmp_path)
    return programs


@pytest.mark.slow
def test_what_is_installed_upscales_and_trains_outside_the_repository(installed, programs, tmp_path, monkeypatch):
    folder = tmp_path / 'elsewhere'
    (folder / 'images').mkdir(parents=True)
    monkeypatch.chdir(folder)
    photo = cv2.cvtColor(photographs.astronaut()[:96, :80], cv2.COLOR_RGB2BGR)
    cv2.imwrite('images/photo.png', photo)
    assert main(['prepare', 'images', '--out', 'data', '--scale', '2', '--lr-window', '16']) == 0
    alone = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}

    done = programs.run(
        [installed / 'bsr', 'upscale', 'images/photo.png', '-o', 'large.png', '--scale', '2'], env=alone
    )
    assert done.returncode == 0, done.stderr
    large = cv2.imread('large.png')
    assert large.shape == (192, 160, 3)
    assert cv2.PSNR(cv2.resize(large, (80, 96), interpolation=cv2.INTER_AREA), photo) > 30

    Path('basicsr').mkdir()
    shutil.copy(util.find_spec('basicsr.train').origin, 'basicsr/train.py')
    shows = 'import sys, bsr_plugin, bsr_plugin_hook; print(bsr_plugin.__file__, bsr_plugin_hook.__file__)\n'
    Path('basicsr/train.py').write_text(Path('basicsr/train.py').read_text() + f'    {shows}')
    Path('train.yml').write_text(OPTIONS)
    done = programs.run([installed / 'python', 'basicsr/train.py', '-opt', 'train.yml'], env=alone)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f'bsr_plugin: {__version__}' in done.stdout + done.stderr
    assert Path('experiments/installed/models/net_g_3.pth').is_file()
    for file in done.stdout.splitlines()[-1].split():
        assert Path(file).is_relative_to(tmp_path / 'environment')
