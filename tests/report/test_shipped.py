"""Networks that ship are rows of every table they have scores for."""

import csv
import json
import re

import pytest
import torch

from bsr_plugin.archs.bsr_arch import BSRNet
from bsr_plugin.cli import main
from bsr_plugin.models import safetensors_file, shipped
from bsr_plugin.report.shipped import shipped_models

#: Weights and multiply-accumulates per LR pixel of a BSRNet of 4 channels, one group with one block, direct x2.
WEIGHTS = (9 * 3 * 4 + 4) + 2 * (9 * 4 * 4 + 4) + (9 * 4 + 1) + (8 * 4 + 4) + (9 * 4 * 12 + 12)
MACS = 9 * 3 * 4 + 2 * 9 * 4 * 4 + 9 * 4 + 8 * 4 + 9 * 4 * 12


def score(mean, images):
    return {'mean': mean, 'images': dict.fromkeys(images, mean)}


@pytest.fixture
def ships(tmp_path, monkeypatch):
    """An installation with which x2 ships; gives a function that writes it, with scores."""
    folder = tmp_path / 'weights'
    folder.mkdir()
    monkeypatch.setattr(shipped, 'FOLDER', folder)

    def write(scores, degradation='bicubic'):
        network = BSRNet(num_feat=4, num_group=1, num_block=1, upscale=2, upsampler='direct')
        said = {'degradation': degradation, 'scores': json.dumps(scores)}
        safetensors_file.write(folder / 'bsr_x2.safetensors', network.state_dict(), said)

    return write


FACES = ['baby', 'bird', 'butterfly', 'head', 'woman']


def report(project, out):
    assert main(['report', str(project.first), '--out', str(out), '--examples', '0']) == 0
    return {row['method']: row for row in csv.DictReader((out / 'tables.csv').open())}


def test_a_model_that_ships_is_a_row_with_its_cost(ships, project, tmp_path):
    ships({'Set5': {'psnr_y': score(37.9012, FACES), 'ssim_y': score(0.9601, FACES)}, 'Set14': {}})
    rows = report(project, tmp_path / 'out')

    row = rows['BSR x2, shipped']
    assert (row['source'], row['dataset'], row['psnr_y'], row['ssim_y']) == ('shipped', 'Set5', '37.9012', '0.9601')
    assert (row['images'], row['note']) == ('5', '')
    assert (int(row['parameters']), float(row['macs_per_pixel'])) == (WEIGHTS, MACS / 4)
    better = [row for row in rows.values() if float(row['psnr_y']) > 37.9012]
    assert row['psnr_rank'] == str(1 + len(better))
    assert rows['VDSR']['parameters'] == '665000'
    texts = {suffix: (tmp_path / f'out/tables.{suffix}').read_text() for suffix in ('md', 'tex')}
    cost = f'{WEIGHTS / 1e3:.1f} K', f'{MACS / 4e3:.1f} K'
    assert f'| **BSR x2, shipped** | {cost[0]} | {cost[1]} | 37.90 / 0.9601 |' in texts['md']
    assert f'BSR x2, shipped & {cost[0]} & {cost[1]} & 37.90' in texts['tex']
    assert '| VDSR | 665 K | 665 K |' in texts['md']
    page = (tmp_path / 'out/index.html').read_text()
    shown = r'<tr class="shipped"><th scope="row">BSR x2, shipped</th>\s*<td>{}</td><td>{}</td>'
    assert re.search(shown.format(*cost), page)
    plot = page[page.index('<section id="cost">') :]
    assert 'BSR x2, shipped' in plot[: plot.index('</section>')]


def test_scores_on_fewer_images_are_marked(ships, project, tmp_path):
    ships({'Set5': {'psnr_y': score(37.9, FACES[:4])}})
    assert report(project, tmp_path / 'out')['BSR x2, shipped']['note'] == '4 of 5 images'


@pytest.mark.parametrize(('dataset', 'degradation'), [('Set5', 'blur-down'), ('Set14', 'bicubic')])
def test_without_scores_for_what_was_tested_there_is_no_row(ships, project, tmp_path, dataset, degradation):
    ships({dataset: {'psnr_y': score(37.9, FACES)}}, degradation)
    rows = report(project, tmp_path / 'out')
    assert 'BSR x2, shipped' not in rows
    assert 'first' in rows


def test_none_may_ship(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, 'FOLDER', tmp_path)
    assert shipped_models() == []


def test_what_ships_with_this_installation_can_be_shown():
    for model in shipped_models():
        assert model.cost.macs_per_pixel > 0
        assert all(scores['psnr_y'].images for scores in model.scores.values())
        assert torch.isfinite(torch.tensor([scores['psnr_y'].mean for scores in model.scores.values()])).all()
