"""One rule: what the toolbox had is kept, what has been replaced is left as it is; imported in any order."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
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


#: Prints what the toolbox's import leads to: in a circle of imports lies one of these.
PRINTS_MODULES = """
import sys
import bsr_plugin, basicsr
print(*sorted(name for name in sys.modules if name.startswith('bsr_plugin.')))
"""
#: Imports each in a process that is forked where what the toolbox imports is there, and nothing of it or the plugin.
IMPORTS_EACH_FIRST = """
import importlib, os, sys, traceback
import cv2, filelock, lmdb, PIL.Image, pydantic, safetensors, scipy.stats, skimage, torch._dynamo, yaml
assert not {'basicsr', 'bsr_plugin'} & set(sys.modules)
running, cores = 0, len(os.sched_getaffinity(0))
for name in sys.argv[1:]:
    if not os.fork():
        try:
            importlib.import_module(name)
            import basicsr.train
            sys.stdout.write(f'{name} {basicsr.train.EnlargedSampler.__name__}\\n')
            sys.stdout.flush()
        except BaseException:
            traceback.print_exc()
        os._exit(0)
    running += 1
    if running >= cores:
        os.wait()
        running -= 1
for _ in range(running):
    os.wait()
"""
#: The base of a registered class, which is made while the toolbox is imported.
NOT_FIRST = 'bsr_plugin.models.checkpointed_model'


def leads_to_the_toolbox(name):
    """Whether a module imports it, or is a part of the seam."""
    source = Path(importlib.util.find_spec(name).origin).read_text(encoding='utf-8')
    return name.startswith('bsr_plugin.toolbox') or bool(re.search('^(from|import) basicsr', source, re.MULTILINE))


@pytest.mark.slow
def test_any_module_may_be_imported_first():
    def printed(*words):
        done = subprocess.run([sys.executable, '-c', *words], capture_output=True, text=True, timeout=580, check=False)
        return done.stdout, done.stderr

    modules = printed(PRINTS_MODULES)[0].split()
    assert {'bsr_plugin.toolbox.sampler', 'bsr_plugin.data.rfs_paired_image_dataset', NOT_FIRST} <= set(modules)
    # These are imported by none of the others in one program or another.
    modules += ['bsr_plugin.data.guarded_paired_image_dataset', 'bsr_plugin.evaluation.recorder']
    modules.remove(NOT_FIRST)
    modules = list(filter(leads_to_the_toolbox, modules))
    found, errors = printed(IMPORTS_EACH_FIRST, *modules)
    assert sorted(found.splitlines()) == sorted(f'{name} ResumableSampler' for name in modules), errors
