"""Lets ``import basicsr`` succeed on today's torch stack wherever bsr_plugin is installed.

A program of the toolbox imports ``basicsr`` before it reads the option file that names the plugin. So this module
lies beside the installed packages, a ``.pth`` file imports it when Python starts, and it waits for that import; until
then it imports nothing. What it does then is ``before_basicsr`` in ``bsr_plugin/compat.py``; without the plugin,
nothing.
"""

import sys


class _BeforeBasicSR:
    """A finder that prepares the import of one package and leaves the finding to the others."""

    def find_spec(self, name, path=None, target=None):
        if name != 'basicsr':
            return None
        compat = _load_compat()
        return compat and compat.spec_around(self, name, after=lambda: None)


def _load_compat():
    """Loads compat.py by its path: importing the package would register its classes, which no one has asked for."""
    from importlib import util
    from pathlib import Path

    package = util.find_spec('bsr_plugin')
    if package is None or package.origin is None:
        return None
    compat = Path(package.origin).with_name('compat.py')
    spec = util.spec_from_file_location('_bsr_plugin_compat', compat)
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


sys.meta_path.insert(0, _BeforeBasicSR())
