"""README and docs: links lead somewhere, commands are understood, option files are there."""

import re

import pytest
import yaml
from pages import PAGES, ROOT, commands

from bsr_plugin import cli

#: Made by sphinx.ext.apidoc.
MADE = {'api/modules'}

pages = pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)


@pages
def test_links_lead_to_files(page):
    for text, target in re.findall(r'\[([^\]]*)\]\(([^)#]+)', page.read_text(encoding='utf-8')):
        if not target.startswith(('http:', 'https:')):
            assert (page.parent / target).exists(), f'{page.name}: [{text}]({target})'


def test_pages_are_in_the_table_of_contents():
    index = (ROOT / 'docs/index.md').read_text(encoding='utf-8')
    listed = set(re.search(r'```{toctree}\n(?::.*\n)*\n(.*?)```', index, re.DOTALL)[1].split()) - MADE
    assert listed == {page.stem for page in ROOT.glob('docs/*.md')} - {'index'}


@pages
def test_commands_are_understood(page):
    for words in commands(page):
        if words[0] == 'bsr' and not {'>', 'S'} & set(words):
            cli._command_parser(words[1]).parse_args(words[2:])


@pages
def test_option_files_are_there(page):
    for file in re.findall(r'options/[\w/.-]+\.yml', page.read_text(encoding='utf-8')):
        assert (ROOT / file).is_file(), f'{page.name}: {file}'


def test_the_readme_is_short_and_names_the_commands_that_are_checked():
    text = (ROOT / 'README.md').read_text(encoding='utf-8')
    assert len(text.splitlines()) < 150
    assert {'make demo', 'make test'} <= {line.strip() for line in text.splitlines()}


def test_the_workflow_tests_every_python_that_setup_accepts():
    workflow = yaml.safe_load((ROOT / '.github/workflows/test.yml').read_text(encoding='utf-8'))
    versions = workflow['jobs']['test']['strategy']['matrix']['python']
    assert versions == ['3.10', '3.11', '3.12', '3.13']
    assert "python_requires='>=3.10,<3.14'" in (ROOT / 'setup.py').read_text(encoding='utf-8')
