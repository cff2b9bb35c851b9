"""``make demo``: what it runs, with and without pretrained weights."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from bsr_plugin.options.loader import read_options

ROOT = Path(__file__).resolve().parents[1]
OWN, SHIPPED = (ROOT / f'options/sample/test_BSR_sample_x2{suffix}.yml' for suffix in ('', '_shipped'))


def commands(ships):
    """What make would run, without what makes the environment."""
    words = ['make', '--dry-run', 'demo', f'ships={ships}', f'made={ROOT / "Makefile"}']
    # The tests may themselves be run by make, whose flags and level a make below it would take over.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(('MAKE', 'MFLAGS'))}
    text = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    return [' '.join(line.split()) for line in text.replace('\\\n', ' ').splitlines() if line.strip()]


@pytest.mark.parametrize('ships', ['', 'bsr_x2.safetensors'])
def test_what_ships_is_tested_and_shown_if_it_ships(ships):
    lines = commands(ships)
    tested = [line.split()[-1] for line in lines if 'basicsr/test.py' in line]
    assert tested == [str(file.relative_to(ROOT)) for file in (OWN, *([SHIPPED] if ships else []))]
    report, compare = lines[-2:]
    assert ('results/BSR_sample_x2_shipped' in report) == bool(ships)
    assert ('--beside "pretrained=results/BSR_sample_x2_shipped/visualization/held-out"' in compare) == bool(ships)
    assert 'compare results/BSR_sample_x2/visualization/held-out --label "trained for three minutes"' in compare
    assert '--name demo --images "held-out photographs"' in compare


def test_both_test_the_same_photographs_in_the_same_way():
    own, shipped = map(read_options, (OWN, SHIPPED))
    assert own['datasets'] == shipped['datasets']
    assert own['val'] == shipped['val']
    assert (shipped['name'], shipped['path']['pretrain_network_g']) == ('BSR_sample_x2_shipped', 'x2')


def test_the_network_is_the_one_of_the_option_file_that_tests_what_ships():
    pretrained = yaml.safe_load('\n'.join((ROOT / 'options/pretrained/test_x2.yml').read_text().splitlines()[1:]))
    assert {key: read_options(SHIPPED)[key] for key in ('network_g', 'path')} == {
        key: pretrained[key] for key in ('network_g', 'path')
    }
