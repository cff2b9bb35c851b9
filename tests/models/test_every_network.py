"""Real runs of every option file in ``options/networks/``, and of a network that another package registers."""

import json
import os
import shutil
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
import pytest
import torch
from small_networks import SMALL_NETWORKS

from bsr_plugin.data.prepare import Preparation, prepare

REPOSITORY = Path(__file__).parents[2]
FILES = REPOSITORY / 'options/networks'

OF_FILES = [network for network in SMALL_NETWORKS if network != 'BSRNet']

#: As a package of another author does it: HAT's shape, a window of its own, and images that must be made of windows.
OTHER_PACKAGE = """
from basicsr.utils.registry import ARCH_REGISTRY
from torch import nn


@ARCH_REGISTRY.register()
class WindowNet(nn.Module):
    def __init__(self, upscale=2, window_size=16, **kwargs):
        super().__init__()
        self.window_size = window_size
        self.body = nn.Sequential(nn.Conv2d(3, 3 * upscale**2, 3, 1, 1), nn.PixelShuffle(upscale))

    def forward(self, x):
        assert x.size(-2) % self.window_size == x.size(-1) % self.window_size == 0, 'not made of windows'
        return self.body(x)
"""

#: Trains, resumes from the middle, tests and reports.
PROGRAM = """
import json, shutil, sys
from pathlib import Path
import yaml
import other_package
from bsr_plugin import cli, launch

from bsr_plugin.options import load_options

given, *forced = sys.argv[1:]
options = load_options(given, True, forced)
name, file = options['name'], 'small.yml'
Path(file).write_text(yaml.safe_dump(options, sort_keys=False))
root = Path.cwd()
models, states = (root / 'experiments' / name / part for part in ('models', 'training_states'))

def run(program, *words):
    sys.argv = [program.__name__ + '.py', *map(str, words)]
    assert program(root) == 0

run(launch.train, '-opt', file)
shutil.copytree(models, root / 'uninterrupted')
for path in (models / 'net_g_4.pth', models / 'net_g_latest.pth', models / 'net_g_best.pth', states / '4.state'):
    path.unlink()
run(launch.train, '-opt', file, '--auto_resume')

kept = ('model_type', 'scale', 'num_gpu', 'network_g')
test = {'name': 'tested', **{key: options[key] for key in kept}}
test['datasets'] = {'test_1': options['datasets']['val']}
test['path'] = {'pretrain_network_g': str(models / 'net_g_latest.pth'), 'param_key_g': 'params_ema'}
test['val'] = {'save_img': True, 'suffix': None, 'metrics': options['val']['metrics']}
Path('test.yml').write_text(yaml.safe_dump(test))
run(launch.test, '-opt', 'test.yml')
assert cli.main(['report', 'results/tested', '--out', 'report']) == 0
print('status of the attention figure:', cli.main(['figure', 'attention', 'results/tested', '-o', 'a.png']))
"""


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """The stores and folders that the option files name; LR images of Set5 are 15 x 21 and 18 x 24 pixels."""
    originals, root = tmp_path_factory.mktemp('originals'), tmp_path_factory.mktemp('data')
    generator = np.random.default_rng(0)

    def write(folder, sizes):
        folder.mkdir(parents=True, exist_ok=True)
        for number, (height, width) in enumerate(sizes):
            noise = generator.integers(0, 256, (height // 8, width // 8, 3), np.uint8)
            image = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(folder / f'{number}.png'), image)

    write(originals, [(96, 112), (104, 96), (120, 128)])
    prepare(Preparation(originals, root / 'datasets/DIV2K', 4, lr_window=16))
    for name in ('Set5', 'Set14'):
        write(root / 'datasets' / name / 'GTmod12', [(60, 84), (72, 96)])
    return root


def run_all(root, data, programs, file, network=MappingProxyType({})):
    """What the program prints for an option file, in a folder with the data sets."""
    shutil.copytree(data / 'datasets', root / 'datasets')
    (root / 'other_package.py').write_text(OTHER_PACKAGE)
    train, val = 'datasets:train:', 'val:'
    forced = [
        *('num_gpu=0', f'{train}gt_size=64', f'{train}num_worker_per_gpu=0', f'{train}persistent_workers=false'),
        *(f'{train}pin_memory=false', f'{train}batch_size_per_gpu=2', f'{train}dataset_enlarge_ratio=4'),
        *('train:total_iter=4', f'{val}val_freq=2', 'logger:print_freq=1', 'logger:save_checkpoint_freq=2'),
        *(f'network_g:{name}={value}' for name, value in network.items()),
    ]
    path = os.pathsep.join([str(root), str(REPOSITORY), os.environ.get('PYTHONPATH', '')])
    environment = {**os.environ, 'PYTHONPATH': path, 'OMP_NUM_THREADS': '1'}
    (root / 'program.py').write_text(PROGRAM)
    process = programs.fork([root / 'program.py', file, *forced], environment, cwd=root)
    printed, _ = programs.finish(process, 500)
    assert process.returncode == 0, printed
    return printed


def check(root, name, printed, same):
    """A resumed run ends like the uninterrupted one, and what was tested is what was validated last."""
    models = root / 'experiments' / name / 'models'
    for weights in ('net_g_4.pth', 'net_g_latest.pth'):
        ends = [torch.load(folder / weights, weights_only=True) for folder in (root / 'uninterrupted', models)]
        assert same(*ends)
    began = torch.load(models / 'net_g_2.pth', weights_only=True)
    assert not same(began['params'], ends[0]['params']), 'it trains'
    assert ends[0]['network_g']['type'] in name or ends[0]['network_g']['type'] == 'WindowNet'
    (tested,) = json.loads((root / 'results/tested/metrics.json').read_text())['sets']
    values = [image['values']['psnr_y'] for image in tested['images']]
    assert len(values) == 2
    log = max((root / 'experiments' / name).glob('train_*.log'), key=os.path.getmtime).read_text()
    validated = log.rpartition('Validation Set5')[2].partition('psnr_y: ')[2].split()[0]
    assert float(validated) == pytest.approx(np.mean(values), abs=1e-4)
    for number, (height, width) in enumerate([(60, 84), (72, 96)]):
        picture = cv2.imread(str(root / f'results/tested/visualization/Set5/{number}_tested.png'))
        assert picture.shape == (height, width, 3)
    page = (root / 'report/index.html').read_text()
    assert f'{np.mean(values):.2f}' in page
    assert 'Table 4' not in page, 'the ablation of BSR'
    assert 'status of the attention figure: 2' in printed
    assert 'without attention: use a BSRNet with it.' in printed


@pytest.mark.slow
@pytest.mark.parametrize('network', OF_FILES)
def test_an_option_file_trains_validates_resumes_tests_and_reports(tmp_path, data, programs, same, network):
    name = f'train_{network}_x4'
    printed = run_all(tmp_path, data, programs, str(FILES / f'{name}.yml'), SMALL_NETWORKS[network])
    check(tmp_path, name, printed, same)


@pytest.mark.slow
def test_a_network_of_another_package_does_too(tmp_path, data, programs, same):
    file = tmp_path / 'train_of_another_package.yml'
    text = (FILES / 'train_SwinIR_x4.yml').read_text()
    before, _, rest = text.partition('network_g:\n')
    network = 'network_g:\n  type: WindowNet\n  upscale: 4\n  window_size: 16\n\npath:'
    file.write_text(
        before.replace('name: train_SwinIR_x4', f'name: {file.stem}') + network + rest.partition('path:')[2]
    )
    printed = run_all(tmp_path, data, programs, str(file))
    check(tmp_path, file.stem, printed, same)


def test_every_file_has_a_run():
    assert {path.name for path in FILES.glob('*.yml')} == {f'train_{network}_x4.yml' for network in OF_FILES}
