"""The study files of this repository, in a dry run of seconds on images drawn here."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from bsr_plugin.cli import main
from bsr_plugin.options.loader import read_options
from bsr_plugin.study import timing
from bsr_plugin.study.planning import plan_study
from bsr_plugin.study.record import ALL_SETS

STUDIES = Path(__file__).parents[2] / 'options/studies'


@pytest.mark.parametrize('file', sorted(STUDIES.glob('*.yml')), ids=lambda file: file.stem)
def test_every_study_file_is_right(file):
    content = yaml.safe_load(file.read_text())
    plan = plan_study(file, check_paths=False)
    assert len(plan.cells) == len(content['seeds']) * len(content['variants'])
    assert len(plan.comparisons) == len(content.get('comparisons', []))


def test_the_small_option_file_is_what_won_in_the_study_of_the_claims():
    of_study = next(
        cell.train
        for cell in plan_study(STUDIES / 'claims_291_x2.yml', check_paths=False).cells
        if (cell.variant, cell.seed) == ('winners_direct', 1)
    )
    small = read_options(STUDIES.parent / 'small/train_BSR_small_x2.yml')
    for options in (of_study, small):
        for key in ('name', 'manual_seed', 'bsr_plugin'):
            options.pop(key, None)
    assert {key: small[key] for key in of_study} == of_study


@pytest.mark.parametrize('name', ['equal_seconds_291_x2', 'network_291_x2'])
def test_networks_at_equal_seconds_have_about_the_same_number_of_parameters(name):
    from basicsr.archs import build_network

    counts = {}
    for cell in plan_study(STUDIES / f'{name}.yml', check_paths=False).cells:
        network = build_network(dict(cell.train['network_g']))
        counts[cell.variant] = sum(each.numel() for each in network.parameters())
    assert max(counts.values()) < 1.05 * min(counts.values())
    text = (STUDIES / f'{name}.yml').read_text()
    assert {count for count in counts.values() if f'{count:,} parameters' not in text} == set()


@pytest.fixture
def datasets(tmp_path, monkeypatch, capsys):
    """The folders that the study files name, each with three images, in the current folder."""
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    for folder in ('291/hr', '291/held_out', 'Set5/GTmod12', 'Set14/GTmod12'):
        where = tmp_path / 'datasets' / folder
        where.mkdir(parents=True)
        for number in range(3):
            noise = generator.integers(0, 256, (48, 60, 3)).astype(np.float32)
            smooth = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 1.5), None, 0, 255, cv2.NORM_MINMAX)
            cv2.imwrite(str(where / f'picture{number}.png'), smooth.astype(np.uint8))
    for out, encoding in (('291', 'raw'), ('291/png', 'png')):
        words = ['datasets/291/hr', '--out', f'datasets/{out}', '--scale', '2', '--lr-window', '16']
        assert main(['prepare', *words, '--encoding', encoding]) == 0
    capsys.readouterr()
    return tmp_path / 'datasets'


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize('name', ['equal_seconds_291_x2', 'long_291_x2'])
def test_a_dry_run_ends_with_a_table(datasets, tmp_path, capsys, monkeypatch, name):
    monkeypatch.setattr(timing, '_ROUNDS', 1)
    text = (STUDIES / f'{name}.yml').read_text()
    content = yaml.safe_load(text.replace('per_gpu: 16', 'per_gpu: 1').replace('num_feat: 64', 'num_feat: 16'))
    base = yaml.safe_load((STUDIES / content['base']).read_text().partition('\n')[2])
    base['logger']['print_freq'] = base['datasets']['train']['batch_size_per_gpu'] = 1
    (tmp_path / 'base.yml').write_text(yaml.safe_dump(base))
    file, out = tmp_path / 'study.yml', tmp_path / 'out'
    file.write_text(yaml.safe_dump({**content, 'base': 'base.yml', 'seeds': [1], 'seconds': 3}))
    assert main(['study', str(file), '--out', str(out)]) == 0, capsys.readouterr()
    printed = capsys.readouterr().out
    assert 'Iterations within 3 seconds' in printed
    result = json.loads((out / 'study.json').read_text())
    variants, budget = list(content['variants']), result['budget']
    assert result['done'] == len(variants)
    rates = json.loads((out / 'rates.json').read_text())['variants']
    for variant in variants:
        assert budget['rates'][variant] == rates[variant]['iterations_per_second']
        assert budget['iterations'][variant] == 4 * int(3 * budget['rates'][variant] / 4)
    at_end = {
        each['variant']: each['figure']['mean']
        for each in budget['quarters']
        if (each['quarter'], each['set'], each['metric']) == (4, ALL_SETS, 'psnr_y')
    }
    # The last validation is that of the network that is tested, in the precision of the log.
    assert at_end == {name: pytest.approx(each['psnr_y']['mean'], abs=1e-3) for name, each in result['means'].items()}
    assert len(budget['quarters']) == len(variants) * 4 * 4 * 2
    assert [each['verdict'].partition(':')[0] for each in result['comparisons']] == ['cannot be told apart'] * len(
        content['comparisons']
    )
    assert not (out / 'timing').exists()
    assert main(['study', str(file), '--out', str(out)]) == 0
    again = json.loads((out / 'study.json').read_text())
    assert again == result
