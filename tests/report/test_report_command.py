"""``bsr report`` and ``bsr figure`` on real test runs, from the command line to the files."""

import csv
import json
import shutil

import cv2
import numpy as np
import pytest
from PIL import Image

from bsr_plugin.cli import main
from bsr_plugin.evaluation.results import read_results
from bsr_plugin.report.build import _add_curves, _add_pic
from bsr_plugin.report.page import Content


def test_one_command_writes_the_page_and_the_tables(project, tmp_path, capsys):
    out = tmp_path / 'report'
    assert main(['report', str(project.first), str(project.second), '--out', str(out), '--examples', '1']) == 0

    assert sorted(path.name for path in out.iterdir()) == ['index.html', 'tables.csv', 'tables.md', 'tables.tex']
    lines = {(row['method'], row['dataset']): row for row in csv.DictReader((out / 'tables.csv').open())}
    (part,) = read_results(project.first).sets
    assert float(lines['first', 'Set5']['psnr_y']) == part.mean['psnr_y']
    assert float(lines['first', 'Set5']['psnr_rgb']) == part.mean['psnr_rgb']
    assert float(lines['BSR', 'Set5']['psnr_difference']) == pytest.approx(38.30 - part.mean['psnr_y'], abs=1e-6)
    assert '## Table 2: x2, bicubic degradation' in (out / 'tables.md').read_text()
    assert '\\caption{Table 2: x2, bicubic degradation.' in (out / 'tables.tex').read_text()
    printed = capsys.readouterr().out
    assert f'first  {part.mean["psnr_y"]:.2f}' in ' '.join(printed.split()).replace(' ', '  ')
    assert str(out / 'index.html') in printed


def test_the_bicubic_row_is_measured_on_the_files_of_the_run(project, tmp_path):
    from bsr_plugin.report.bicubic import bicubic_baseline, mean_quality

    assert main(['report', str(project.first), '--out', str(tmp_path), '--examples', '0']) == 0
    rows = {row['method']: row for row in csv.DictReader((tmp_path / 'tables.csv').open())}
    expected = mean_quality(bicubic_baseline(project.hr, 2).values())
    assert float(rows['Bicubic, measured here']['psnr_y']) == pytest.approx(expected.psnr_y, abs=1e-9)
    assert float(rows['Bicubic, measured here']['ssim_y']) == pytest.approx(expected.ssim_y, abs=1e-9)


def test_runs_of_one_name_are_told_apart(project, tmp_path):
    copy = tmp_path / 'elsewhere'
    shutil.copytree(project.first, copy)
    assert main(['report', str(project.first), str(copy), '--out', str(tmp_path / 'out'), '--examples', '0']) == 0
    methods = [row['method'] for row in csv.DictReader((tmp_path / 'out/tables.csv').open())]
    assert methods[-2:] == [str(project.first), str(copy)]


def test_logs_of_one_name_are_told_apart_and_none_is_drawn_twice(project, log_writer, tmp_path):
    logs = [tmp_path / machine / 'tb_logger/BSR' for machine in ('one', 'two')]
    for log in logs:
        log_writer(log, {'losses/l_pix': [(1, 0.5), (2, 0.4)]})
    content = Content('x', [], {}, [])
    _add_curves(content, [*logs, project.log, project.log])
    (plot,) = content.plots
    for name in (*map(str, logs), 'BSR_tiny'):
        assert name in plot.svg
    assert content.problems == []


@pytest.mark.parametrize('scales', [{'scale': None}, {'scale': 4}, {}])
def test_the_patches_are_those_of_the_training_wherever_it_gives_the_scale(project, scales):
    content = Content('x', [], {}, [])
    train_set = {'dataroot_lq': str(project.lr_store), 'gt_size': 32, 'scale': 2}
    _add_pic(content, {**scales, 'datasets': {'train': train_set}}, None)
    assert [plot.caption for plot in content.plots] == [f'Patches of 16 LR pixels from {project.lr_store}.']


def test_what_is_missing_is_named_and_the_rest_is_made(project, tmp_path, capsys):
    broken = tmp_path / 'broken'
    shutil.copytree(project.first, broken)
    content = json.loads((broken / 'metrics.json').read_text())
    content['weights'] = '/nowhere/net.pth'
    content['sets'][0]['skipped'] = [{'name': 'lost', 'reason': 'lost.png cannot be read.'}]
    content['sets'][0]['images'][2]['gt'] = '/nowhere/butterfly.png'
    (broken / 'metrics.json').write_text(json.dumps(content))

    assert main(['report', str(broken), '--out', str(tmp_path / 'out')]) == 1

    printed = capsys.readouterr().out
    for sentence in (
        'Left out: first, Set5, lost: lost.png cannot be read.',
        'Left out: No bicubic figure: /nowhere/butterfly.png cannot be read',
        'Left out: /nowhere/net.pth does not exist',
    ):
        assert sentence in printed
    page = (tmp_path / 'out/index.html').read_text()
    assert 'lost.png cannot be read.' in page
    assert 'class="compare"' in page
    rows = {row['method']: row for row in csv.DictReader((tmp_path / 'out/tables.csv').open())}
    assert rows['Bicubic, measured here']['note'] == '4 of 5 images'


def test_a_random_network_and_a_figure_that_is_nan_are_warned_of(project, tmp_path, capsys):
    broken = tmp_path / 'broken'
    shutil.copytree(project.first, broken)
    content = json.loads((broken / 'metrics.json').read_text())
    content['name'] = 'broken'
    content['sets'][0]['images'][0]['values']['psnr_y'] = content['sets'][0]['mean']['psnr_y'] = 'NaN'
    (broken / 'metrics.json').write_text(json.dumps(content))
    assert main(['report', str(project.second), str(broken), '--out', str(tmp_path / 'out')]) == 0
    printed = capsys.readouterr().out
    assert 'Warning: second has no weights (pretrain_network_g is ~)' in printed
    assert 'Warning: broken, Set5, baby: psnr_y is NaN, and so is its mean.' in printed
    rows = {row['method']: row for row in csv.DictReader((tmp_path / 'out/tables.csv').open())}
    assert (rows['broken']['psnr_y'], rows['broken']['psnr_rank']) == ('nan', '')
    assert {row['source'] for row in rows.values() if row['psnr_rank'] == '1'} == {'paper'}


def test_results_of_no_image_are_not_a_report(project, tmp_path, capsys):
    empty = tmp_path / 'empty'
    shutil.copytree(project.first, empty)
    content = json.loads((empty / 'metrics.json').read_text())
    content['sets'][0] |= {'images': [], 'mean': {}}
    (empty / 'metrics.json').write_text(json.dumps(content))
    for words in (
        ['report', str(empty), '--out', str(tmp_path / 'out')],
        ['figure', 'crops', str(empty), '-o', 'x.png'],
    ):
        assert main(words) == 2
        assert f'{empty} has no measured image: correct the data sets of the test' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
    ('content', 'sentence'),
    [
        (None, "has no metrics.json, which only this project's basicsr/test.py writes"),
        ('{', r'metrics.json cannot be read'),
        ('[]', r'metrics.json cannot be read'),
        ('{"format": 1}', 'has format 1, this version reads 2: run the test again'),
        ('{"format": 9}', 'has format 9, this version reads 2'),
        ('{"format": 2, "name": "x"}', 'cannot be read (Field required'),
    ],
)
def test_what_is_no_result_is_one_sentence_and_status_2(tmp_path, capsys, content, sentence):
    folder = tmp_path / 'results'
    folder.mkdir()
    if content is not None:
        (folder / 'metrics.json').write_text(content)
    assert main(['report', str(folder), '--out', str(tmp_path / 'out')]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count('\n') == 1
    assert not (tmp_path / 'out').exists()


def test_a_file_in_place_of_the_folder_is_one_sentence(project, tmp_path, capsys):
    (tmp_path / 'out').write_text('')
    assert main(['report', str(project.first), '--out', str(tmp_path / 'out'), '--examples', '0']) == 2
    assert f'{tmp_path / "out"} cannot be used (File exists)' in capsys.readouterr().err


def test_pictures_go_into_new_folders_and_impossible_ones_are_one_sentence(project, tmp_path, capsys):
    commands = (
        ['pic', str(project.lr_store), '--lr-window', '16', '--picture'],
        ['figure', 'pic', str(project.lr_store), '--lr-window', '16', '-o'],
        ['compare', str(project.first / 'visualization/Set5'), '--hr', str(project.hr), '--scale', '2', '--picture'],
    )
    (tmp_path / 'file').touch()
    for number, words in enumerate(commands):
        file = tmp_path / f'{number}/new/picture.png'
        assert main([*words, str(file)]) == 0
        assert np.asarray(Image.open(file)).shape[1] > 600
        capsys.readouterr()
        for impossible in (tmp_path / 'file/picture.png', tmp_path / f'{number}.png'):
            if impossible.parent == tmp_path:
                impossible.mkdir()
            assert main([*words, str(impossible)]) == 2
            error = capsys.readouterr().err
            assert ' cannot be used (' in error
            assert str(tmp_path / impossible.relative_to(tmp_path).parts[0]) in error
            assert error.count('\n') == 1


@pytest.mark.parametrize('suffix', ['png', 'svg', 'pdf'])
def test_crops_in_every_format(project, tmp_path, suffix):
    file = tmp_path / f'figures/crops.{suffix}'
    words = ['--image', 'bird', '--image', 'woman', '-o', str(file)]
    assert main(['figure', 'crops', str(project.first), str(project.second), *words]) == 0
    assert file.read_bytes().startswith({'png': b'\x89PNG', 'svg': b'<?xml', 'pdf': b'%PDF'}[suffix])
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_every_kind_of_figure(project, tmp_path):
    commands = {
        'pic': ['pic', str(project.lr_store), '--lr-window', '16'],
        'difference': ['difference', str(project.first), '--set', 'Set5', '--p', '0.7'],
        'attention': ['attention', str(project.first), '--image', 'bird'],
        'curves': ['curves', str(project.log)],
    }
    for name, words in commands.items():
        file = tmp_path / f'{name}.png'
        assert main(['figure', *words, '-o', str(file)]) == 0
        pixels = np.asarray(Image.open(file).convert('RGB'))
        assert pixels.shape[1] > 600
        assert len(np.unique(pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32))) > 50


def test_what_cannot_be_drawn_is_one_sentence_and_status_2(project, tmp_path, capsys):
    first, file = str(project.first), str(tmp_path / 'x.png')
    plain = tmp_path / 'plain'
    shutil.copytree(project.first, plain)
    content = json.loads((plain / 'metrics.json').read_text())
    for image in content['sets'][0]['images']:
        image['picture'] = None
    (plain / 'metrics.json').write_text(json.dumps(content))
    for words, sentence in (
        (['crops', first, '--image', 'cat', '-o', file], "Set5 has no 'cat': use baby, bird"),
        (['crops', first, '--set', 'Set6', '-o', file], "first has no 'Set6': use Set5."),
        (['crops', first, '-o', str(tmp_path / 'x.gif')], "ends in '.gif': name a file that ends in .png"),
        (['pic', str(tmp_path / 'no.lmdb'), '-o', str(tmp_path / 'x.tif')], "ends in '.tif': name a file that ends in"),
        (['crops', str(plain), '-o', file], 'has no pictures: run the test with save_img: true'),
        (['difference', first, '--p', '2', '-o', file], '--p is 2.0: use a number above 0 and up to 1'),
        (
            ['difference', first, '--image', 'baby', '--image', 'bird', '-o', file],
            '--image names baby, bird: the figure',
        ),
        (['pic', str(tmp_path / 'no.lmdb'), '-o', file], 'no.lmdb does not exist'),
        (['batches', str(tmp_path), '--seed', '-1', '-o', file], '--seed is -1: use 0 to 9223372036854775807.'),
        (['curves', str(tmp_path), '-o', file], 'holds no TensorBoard log'),
    ):
        assert main(['figure', *words]) == 2
        error = capsys.readouterr().err
        assert sentence in error
        assert error.count('\n') == 1
    assert not (tmp_path / 'x.png').exists()


def test_the_difference_figure_is_of_the_saved_picture(project):
    from bsr_plugin.report.difference import difference_maps

    truth = cv2.imread(str(project.hr / 'baby.png'))
    saved = cv2.imread(str(project.first / 'visualization/Set5/baby_first.png'))
    l2, _ = difference_maps(saved, truth)
    psnr = -10 * np.log10(l2[2:-2, 2:-2].mean())
    (part,) = read_results(project.first).sets
    assert psnr == pytest.approx(part.images[0].values['psnr_rgb'], abs=1e-6)
