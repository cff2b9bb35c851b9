"""Lets ``import basicsr`` succeed on today's torch stack wherever bsr_plugin is installed.

A program of the toolbox imports ``basicsr`` before it reads the option file that names the plugin. So this module
lies beside the installed packages, a ``.pth`` file imports it when Python starts, and it waits for that import; until
then it imports nothing. What it does then is ``before_basicsr`` in ``bsr_plugin/toolbox/importing.py``;
without the plugin, nothing.
"""

import sys


class _BeforeBasicSR:
    """A finder that prepares the import of one package and leaves the finding to the others."""

    def find_spec(self, name, path=None, target=None):
        if name != 'basicsr':
            return None
        importing = _load_importing()
        return importing and importing.spec_around(self, name, after=lambda: None)


def _load_importing():
    """Loads the file by its path: importing the package would register its classes, which no one has asked for."""
    from importlib import util
    from pathlib import Path

    package = util.find_spec('bsr_plugin')
    if package is None or package.origin is None:
        return None
    file = Path(package.origin).with_name('toolbox') / 'importing.py'
    if not file.is_file():
        return None
    spec = util.spec_from_file_location('_bsr_plugin_importing', file)
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


sys.meta_path.insert(0, _BeforeBasicSR())
