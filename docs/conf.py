"""How Sphinx builds the site: `make docs`; every warning is an error."""

from importlib import import_module
from pkgutil import walk_packages

import bsr_plugin

# Autodoc writes into the annotations of a class that it documents, which pydantic would read in its subclasses.
for _module in walk_packages(bsr_plugin.__path__, 'bsr_plugin.'):
    if not _module.name.endswith('__main__'):
        import_module(_module.name)

project = 'bsr_plugin'
author = 'The bsr_plugin developers'
copyright = author
release = version = bsr_plugin.__version__

extensions = [
    'myst_parser',
    'sphinx.ext.apidoc',
    'sphinx.ext.autodoc',
    'sphinx.ext.napoleon',
    'sphinx.ext.viewcode',
]
apidoc_modules = [
    {
        'path': '../bsr_plugin',
        'destination': 'api',
        'separate_modules': False,
        'module_first': True,
    }
]
exclude_patterns = ['studies']
# Annotations name types by one word, which several classes may have.
suppress_warnings = ['ref.python']

myst_enable_extensions = ['colon_fence']
myst_heading_anchors = 3

# A class is documented in its own module alone, not again in a package that offers it.
autodoc_default_options = {'members': True, 'undoc-members': True, 'show-inheritance': True, 'ignore-module-all': True}
autodoc_typehints = 'description'
autodoc_member_order = 'bysource'
napoleon_numpy_docstring = False
napoleon_use_ivar = True
add_module_names = False

default_role = 'code'

html_theme = 'furo'
html_title = f'bsr_plugin {release}'
html_show_sphinx = False

_prose: dict[str, list[str]] = {}


def _keep(app, what, name, obj, options, lines):
    if what == 'attribute':
        _prose[name] = list(lines)


def _restore(app, what, name, obj, options, lines):
    if name in _prose:
        lines[:] = _prose.pop(name)


def setup(app):
    """Leaves docstrings of attributes as they are: napoleon, at 500, takes what stands before a colon for a type."""
    app.connect('autodoc-process-docstring', _keep, priority=400)
    app.connect('autodoc-process-docstring', _restore, priority=600)
