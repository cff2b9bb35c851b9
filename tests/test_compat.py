"""What stops the import of the toolbox, met for real in processes of their own, and what is called around it."""

import os
import shutil
import subprocess
import sys
from importlib import util
from pathlib import Path

import pytest
import torch

from bsr_plugin import compat

ROOT = Path(__file__).resolve().parents[1]


def run(words, folder, **variables):
    """Runs Python and returns what it printed; any failure is an error that shows it."""
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=folder,
        env={**os.environ, 'OMP_NUM_THREADS': '1', **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_importing_the_plugin_imports_neither_toolbox_nor_torch(tmp_path):
    run(
        ['-c', 'import bsr_plugin, bsr_plugin.cli, sys; assert not {"torch", "basicsr", "cv2"} & set(sys.modules)'],
        tmp_path,
    )


CHECK_REGISTRIES = """
def registered():
    from basicsr.utils.registry import ARCH_REGISTRY, DATASET_REGISTRY, LOSS_REGISTRY
    return ['BSRNet' in ARCH_REGISTRY, 'HybridL1L2LpLoss' in LOSS_REGISTRY, 'RFSPairedImageDataset' in DATASET_REGISTRY]

def load_options():
    import sys, yaml
    opt = yaml.load('bsr_plugin: !!python/name:bsr_plugin.__version__', Loader=yaml.CLoader)
    assert opt == {'bsr_plugin': sys.modules['bsr_plugin'].__version__}, opt
"""


def test_tag_after_the_toolbox_registers_and_the_hook_alone_does_not(tmp_path):
    program = f"""{CHECK_REGISTRIES}
import sys, basicsr.data.degradations
assert 'bsr_plugin' not in sys.modules
assert registered() == [False, False, False]
load_options()
assert registered() == [True, True, True]
"""
    run(['-c', program], tmp_path)


def test_tag_before_the_toolbox_registers(tmp_path):
    program = f"""{CHECK_REGISTRIES}
load_options()
assert registered() == [True, True, True]
import bsr_plugin
bsr_plugin.register()
"""
    run(['-c', program], tmp_path)


def bare_python(folder, program):
    """Runs a program that sees the hook and what lies in ``folder``, and no installed package."""
    (folder / 'basicsr').mkdir()
    (folder / 'basicsr/__init__.py').write_text('value = 1')
    shutil.copy(ROOT / 'startup/bsr_plugin_hook.py', folder)
    return run(['-I', '-S', '-c', f'import sys; sys.path.insert(0, {str(folder)!r})\n{program}'], folder)


def test_hook_without_the_plugin_changes_nothing(tmp_path):
    program = 'import bsr_plugin_hook, basicsr; print(basicsr.value, "torch" in sys.modules)'
    assert bare_python(tmp_path, program) == '1 False\n'


def test_hook_acts_around_the_import_and_not_around_a_search(tmp_path):
    (tmp_path / 'bsr_plugin').mkdir()
    (tmp_path / 'bsr_plugin/__init__.py').write_text('raise RuntimeError("the hook must not import this")')
    text = (ROOT / 'bsr_plugin/compat.py').read_text()
    (tmp_path / 'bsr_plugin/compat.py').write_text(text + '\n\ndef before_basicsr():\n    print("before")\n')
    (tmp_path / 'other.py').write_text('print("other")')
    program = """
import bsr_plugin_hook, other
from importlib.util import find_spec
find_spec('basicsr')
print('found')
import basicsr
print(basicsr.value)
"""
    assert bare_python(tmp_path, program).split() == ['other', 'found', 'before', '1']


TORCHVISION_WITHOUT_ITS_LIBRARY = """
import torch
for operator in ('nms', 'qnms'):
    torch.library.register_fake(f'torchvision::{operator}')(lambda dets, scores, iou_threshold: scores)
"""


@pytest.mark.parametrize('operators', ['missing', 'present'])
def test_torchvision_imports_where_its_library_does_not_load(tmp_path, operators):
    (tmp_path / 'torchvision').mkdir()
    (tmp_path / 'torchvision/__init__.py').write_text(TORCHVISION_WITHOUT_ITS_LIBRARY)
    (tmp_path / 'torchvision/_C.so').write_text('made for another torch')
    present = "torch.library.define('torchvision::nms', '(Tensor dets, Tensor scores, float other) -> Tensor')"
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import torch
{present if operators == 'present' else ''}
from bsr_plugin.compat import define_torchvision_operators
define_torchvision_operators()
define_torchvision_operators()
import torchvision
print(torch.ops.torchvision.nms.default._schema)
"""
    name = 'other' if operators == 'present' else 'iou_threshold'
    expected = f'torchvision::nms(Tensor dets, Tensor scores, float {name}) -> Tensor\n'
    assert run(['-c', program], tmp_path) == expected


def test_functional_tensor_gives_the_grey_of_itu_601():
    from basicsr.data.degradations import rgb_to_grayscale

    image = torch.tensor([0.2, 0.5, 0.9]).reshape(3, 1, 1)
    grey = 0.2989 * 0.2 + 0.587 * 0.5 + 0.114 * 0.9
    assert rgb_to_grayscale(image, num_output_channels=1).item() == pytest.approx(grey, abs=1e-4)


def test_distutils_is_provided_where_it_is_gone(monkeypatch):
    find_spec = util.find_spec
    monkeypatch.setattr(util, 'find_spec', lambda name: None if name == 'distutils' else find_spec(name))
    monkeypatch.setattr(sys, 'modules', {k: v for k, v in sys.modules.items() if not k.startswith('distutils')})
    compat.provide_distutils()
    version = sys.modules['distutils.version'].LooseVersion
    assert version('0.10.0+cu130') >= version('0.9.0') > version('0.8.2')


def test_distutils_is_left_alone_where_it_is(monkeypatch):
    present = object()
    monkeypatch.setitem(sys.modules, 'distutils', present)
    compat.provide_distutils()
    assert sys.modules['distutils'] is present


class SharedLoader:
    """Finds two modules and loads them itself, as pytest's and zipimport's finders do."""

    def __init__(self):
        self.executed = []

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        self.executed.append(module.__name__)

    def find_spec(self, name, path=None, target=None):
        return util.spec_from_loader(name, self) if name in ('toolbox_like', 'beside') else None


def test_a_loader_that_serves_other_modules_too_is_left_as_it_is(monkeypatch):
    calls = []
    monkeypatch.setattr(compat, 'before_basicsr', lambda: calls.append('before'))
    shared = SharedLoader()

    class Around:
        def find_spec(self, name, path=None, target=None):
            return compat.spec_around(self, name, lambda: calls.append('after')) if name == 'toolbox_like' else None

    monkeypatch.setattr(sys, 'meta_path', [Around(), shared])
    for name in ('toolbox_like', 'beside'):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import toolbox_like

    assert calls == ['before', 'after']
    import beside

    assert calls == ['before', 'after']
    assert shared.executed == ['toolbox_like', 'beside']
    assert toolbox_like.__loader__ is toolbox_like.__spec__.loader is beside.__loader__ is shared
    sys.modules.pop('toolbox_like'), sys.modules.pop('beside')
