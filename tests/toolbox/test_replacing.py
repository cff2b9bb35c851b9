"""One rule: what the toolbox had is kept, what has been replaced is left as it is; imported in any order."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

import basicsr.test
import basicsr.train
from bsr_plugin.toolbox import replacing
from bsr_plugin.toolbox.prefetch import CPUPrefetcher, CUDAPrefetcher
from bsr_plugin.toolbox.sampler import ResumableSampler


def test_a_name_is_replaced_once_and_what_was_there_is_kept():
    owner = SimpleNamespace(name='stock', other=1)
    made = []

    def make(stock):
        made.append(stock)
        return stock + ', made better'

    for _ in range(3):
        replacing.replace(owner, 'name', make)
    assert (owner.name, owner.other, made) == ('stock, made better', 1, ['stock'])
    assert owner.replaced_by_bsr_plugin == {'name': 'stock'}


def test_every_name_of_the_table_is_replaced_and_replacing_again_changes_nothing():
    def bound():
        return {
            (module.__name__, name): getattr(module, name)
            for module in (basicsr.train, basicsr.test)
            for name in module.replaced_by_bsr_plugin
        }

    before = bound()
    replacing.replace_in_toolbox()
    assert bound() == before
    assert before['basicsr.train', 'EnlargedSampler'] is ResumableSampler
    assert before['basicsr.train', 'CPUPrefetcher'] is CPUPrefetcher
    assert before['basicsr.train', 'CUDAPrefetcher'] is CUDAPrefetcher
    names = {name for _, name in before}
    from bsr_plugin import toolbox

    assert all(f'``{name}``' in toolbox.__doc__ for name in names)


MODULES = ['sampler', 'prefetch', 'replacing', 'training_program', 'evaluation_program']
#: Imports each in a process that is forked where what the toolbox imports is there, and nothing of it or the plugin.
IMPORTS_EACH_FIRST = """
import importlib, os, sys
import cv2, scipy.stats, skimage, torch._dynamo
assert not {'basicsr', 'bsr_plugin'} & set(sys.modules)
for module in sys.argv[1:]:
    if not os.fork():
        importlib.import_module(f'bsr_plugin.toolbox.{module}')
        import basicsr.train
        print(module, basicsr.train.EnlargedSampler.__name__, flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.mark.slow
def test_any_module_may_be_imported_first():
    words = [sys.executable, '-c', IMPORTS_EACH_FIRST, *MODULES]
    done = subprocess.run(words, capture_output=True, text=True, timeout=200, check=False)
    assert done.stdout == ''.join(f'{module} ResumableSampler\n' for module in MODULES), done.stderr
