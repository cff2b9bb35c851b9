"""The tables of README and docs are what ``docs/tables.py`` makes of measurements, and nothing edited by hand."""

import json
import re
from importlib import util

import pytest
from pages import ROOT

spec = util.spec_from_file_location('tables', ROOT / 'docs/tables.py')
tables = util.module_from_spec(spec)
spec.loader.exec_module(tables)

NUMBERS = re.compile(r'^\|.*\d\.\d.*\|$', re.MULTILINE)


@pytest.mark.parametrize('page', tables.PAGES, ids=lambda page: page.name)
def test_pages_hold_the_tables_that_are_made(page):
    text = page.read_text(encoding='utf-8')
    assert tables.with_tables(text) == text
    assert '<!-- table: ' in text


def test_every_table_is_somewhere():
    named = {name for page in tables.PAGES for name in re.findall(r'<!-- table: (\w+) -->', page.read_text())}
    assert named == set(tables.TABLES)


def test_the_readme_has_no_other_figures_in_tables():
    text = (ROOT / 'README.md').read_text()
    between = re.sub(r'<!-- table: .*?<!-- end of table -->', '', text, flags=re.DOTALL)
    assert NUMBERS.findall(text)
    assert not NUMBERS.findall(between)


def test_a_table_tells_the_machine_and_the_day(monkeypatch, tmp_path):
    figures = {
        'patches_per_s': {'stock': 200.0, 'uniform': 9000.0, 'rfs': 8000.0, 'rejection': 50.0, 'band': 7000.0},
        'machine': {'processor': 'A CPU', 'cores': '2', 'torch': '2.13.0'},
        'date': '2026-01-31',
    }
    (tmp_path / 'benchmarks').mkdir()
    (tmp_path / 'benchmarks/data.json').write_text(json.dumps(figures))
    monkeypatch.setattr(tables, 'DOCS', tmp_path)
    made = tables.with_tables('a\n<!-- table: samplers_in_short -->\nold\n<!-- end of table -->\nb\n')
    before, *table, machine, end = made.splitlines()[1:-1]
    assert (before, end) == ('<!-- table: samplers_in_short -->', '<!-- end of table -->')
    assert table == [
        '| patches per second, one core | rate | x stock |',
        '| --- | ---: | ---: |',
        '| BasicSR PairedImageDataset, PNG LMDB | 200 | 1.0 |',
        '| RFSPairedImageDataset, uniform | 9,000 | 45.0 |',
        '| RFSPairedImageDataset, rfs | 8,000 | 40.0 |',
        '| RFSPairedImageDataset, rejection, full PIC range | 50 | 0.2 |',
        '',
    ]
    assert machine == '*A CPU, 2 cores, torch 2.13.0; 2026-01-31*'
