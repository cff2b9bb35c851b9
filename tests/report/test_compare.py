import csv
import json
from pathlib import Path

import numpy as np
import pytest
import skimage.data

from bsr_plugin.cli import main
from bsr_plugin.data.degradation import degrade, imresize
from bsr_plugin.data.image_file import encode_png
from bsr_plugin.errors import InputError
from bsr_plugin.report.bicubic import bicubic_baseline
from bsr_plugin.report.compare import compare_with_bicubic
from bsr_plugin.report.examples import busiest_region


@pytest.fixture
def folders(tmp_path):
    """An HR image of 96x120 and a result that is one grey level off everywhere."""
    truth = np.clip(skimage.data.coffee()[100:196, 200:320, ::-1], 0, 254)
    for name, image in (('hr/cup.png', truth), ('results/cup_BSR.png', truth + 1)):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(encode_png(np.ascontiguousarray(image)))
    return tmp_path / 'results', tmp_path / 'hr', truth


def test_the_bicubic_number_is_the_papers_and_the_picture_is_measured_as_basicsr_does(folders):
    results, hr, truth = folders
    (example,) = compare_with_bicubic({'BSR': results}, hr, 2)
    bicubic, result, original = example.versions
    assert [version.label for version in example.versions] == ['Bicubic', 'BSR', 'HR']
    # One level in all channels is 219/255 of a level in Y.
    assert result.psnr == pytest.approx(20 * np.log10(255 / (219 / 255)), abs=1e-3)
    expected = bicubic_baseline(hr, 2)['cup']
    assert bicubic.psnr == expected.psnr_y
    assert example.name == 'cup'
    truth = np.ascontiguousarray(truth)
    assert np.array_equal(original.picture, truth)
    assert np.array_equal(bicubic.picture, imresize(degrade(truth, 2, 'bicubic'), 96, 120))


def test_every_command_gives_one_bicubic_number(project, tmp_path, capsys):
    """``bsr bicubic``, ``bsr compare`` and the report, on the same images."""
    files = {name: str(tmp_path / f'new/{name}.json') for name in ('bicubic', 'compare')}
    (tmp_path / 'new').mkdir()
    pictures = str(project.first / 'visualization/Set5')
    assert main(['bicubic', str(project.hr), '--scale', '2', '--json', files['bicubic']]) == 0
    assert main(['compare', pictures, '--hr', str(project.hr), '--scale', '2', '--json', files['compare']]) == 0
    assert main(['report', str(project.first), '--out', str(tmp_path), '--examples', '0']) == 0
    rows = {row['method']: row for row in csv.DictReader((tmp_path / 'tables.csv').open())}
    bicubic, compare = (json.loads(Path(file).read_text()) for file in files.values())
    assert compare['mean']['bicubic'] == pytest.approx(bicubic['psnr_y'], abs=1e-9)
    assert float(rows['Bicubic, measured here']['psnr_y']) == pytest.approx(bicubic['psnr_y'], abs=1e-9)
    assert compare['mean']['bsr'] == pytest.approx(float(rows['first']['psnr_y']), abs=1e-9)


def test_several_networks_are_compared_and_the_first_has_the_last_line(folders, tmp_path, capsys):
    results, hr, truth = folders
    (tmp_path / 'other').mkdir()
    (tmp_path / 'other/cup_x.png').write_bytes(encode_png(np.ascontiguousarray(np.clip(truth, 0, 251) + 4)))
    beside = f'what ships={tmp_path / "other"}'
    words = ['compare', str(results), '--hr', str(hr), '--scale', '2', '--name', 'demo', '--label', 'three minutes']
    files = {'json': tmp_path / 'x.json', 'picture': tmp_path / 'x.png'}
    assert main([*words, '--beside', beside, '--json', str(files['json']), '--picture', str(files['picture'])]) == 0

    lines = capsys.readouterr().out.splitlines()
    mean = json.loads(files['json'].read_text())['mean']
    assert mean['bsr'] == pytest.approx(20 * np.log10(255 / (219 / 255)), abs=1e-3)
    # Four levels in place of one, but where they would be above white.
    assert mean['bsr'] - mean['what ships'] == pytest.approx(20 * np.log10(4), abs=0.1)
    for line, name, psnr in ((lines[-2], 'what ships', mean['what ships']), (lines[-1], 'demo', mean['bsr'])):
        gain = f'bicubic {mean["bicubic"]:.2f} dB, gain {psnr - mean["bicubic"]:.2f} dB (PSNR-Y, 1 images)'
        assert line == f'{name}: BSR {psnr:.2f} dB, {gain}'
    assert ' '.join(lines[0].split()) == 'PSNR-Y (dB) bicubic three minutes what ships gain'
    assert f'Crops (Bicubic | three minutes | what ships | HR): {files["picture"]}' in lines


@pytest.mark.parametrize('beside', ['results', '=results', 'x=', 'BSR=results', 'bicubic=results'])
def test_a_label_is_given_once_and_with_a_folder(folders, capsys, beside):
    results, hr, _ = folders
    assert main(['compare', str(results), '--hr', str(hr), '--scale', '2', '--beside', beside]) == 2
    assert '--beside ' in capsys.readouterr().err


def test_the_scale_is_2_or_more(folders):
    results, hr, _ = folders
    with pytest.raises(InputError, match=r'The scale is 0: use 2 or more\.'):
        compare_with_bicubic({'BSR': results}, hr, 0)


def test_missing_and_misfitting_results_are_named(folders, tmp_path):
    results, hr, truth = folders
    (hr / 'plate.png').write_bytes(encode_png(np.ascontiguousarray(truth)))
    with pytest.raises(InputError, match='has no result for plate'):
        compare_with_bicubic({'BSR': results}, hr, 2)
    (results / 'plate_BSR.png').write_bytes(encode_png(np.ascontiguousarray(truth[:90])))
    with pytest.raises(InputError, match='has plate at 90x120, its HR image is 96x120'):
        compare_with_bicubic({'BSR': results}, hr, 2)


def test_a_picture_belongs_to_the_longest_name_that_it_fits(tmp_path):
    """Pictures are called after LR files, with the factor or without; each is one level lighter than the one before."""
    truth = np.clip(skimage.data.coffee()[100:132, 200:240, ::-1], 0, 240)
    pictures = {'frame_run': 1, 'frame_2_run': 2, 'frame_2_x_run': 3, '0801x2_run': 4, '0801x2b_run': 5, 'whole': 6}
    (tmp_path / 'hr').mkdir()
    (tmp_path / 'results').mkdir()
    for name in ('frame', 'frame_2', 'frame_2_x', '0801', '0801x2b', 'whole'):
        (tmp_path / f'hr/{name}.png').write_bytes(encode_png(np.ascontiguousarray(truth)))
    for name, lighter in pictures.items():
        (tmp_path / f'results/{name}.png').write_bytes(encode_png(np.ascontiguousarray(truth + np.uint8(lighter))))
    examples = compare_with_bicubic({'BSR': tmp_path / 'results'}, tmp_path / 'hr', 2)
    found = {
        example.name: int((example.versions[1].picture - example.versions[2].picture).max()) for example in examples
    }
    assert found == {'frame': 1, 'frame_2': 2, 'frame_2_x': 3, '0801': 4, '0801x2b': 5, 'whole': 6}

    (tmp_path / 'results/frame_run.png').unlink()
    with pytest.raises(InputError, match='has no result for frame:'):
        compare_with_bicubic({'BSR': tmp_path / 'results'}, tmp_path / 'hr', 2)


@pytest.mark.parametrize('side', ['hr', 'results'])
def test_two_files_of_one_name_are_refused(folders, tmp_path, capsys, side):
    name = 'cup' if side == 'hr' else 'cup_BSR'
    (tmp_path / f'{side}/{name}.bmp').write_bytes((tmp_path / f'{side}/{name}.png').read_bytes())
    said = f'{tmp_path / side} has several images of the name {name}: keep one of them.'
    assert main(['compare', str(tmp_path / 'results'), '--hr', str(tmp_path / 'hr'), '--scale', '2']) == 2
    assert said in capsys.readouterr().err
    if side == 'hr':
        assert main(['bicubic', str(tmp_path / 'hr'), '--scale', '2']) == 2
        assert said in capsys.readouterr().err


def test_busiest_region_is_found():
    image = np.full((60, 80, 3), 90, np.uint8)
    image[31:43:2, 52:64] = 200
    top, left = busiest_region(image, 16)
    assert 26 <= top <= 33
    assert 47 <= left <= 53
    assert busiest_region(image[:10], 16) == (0, 0)
