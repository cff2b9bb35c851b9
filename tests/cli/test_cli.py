"""The command line: every command explains itself, works, and answers wrong input with one sentence and status 2."""

import io
import json
import math
import os
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest
import skimage.data
from pages import ROOT

from bsr_plugin import __version__
from bsr_plugin.cli import COMMANDS, main
from bsr_plugin.cli.output import table, write_json
from bsr_plugin.data.image_file import encode_png
from bsr_plugin.data.store import LMDBStore


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / 'photographs'
    folder.mkdir()
    image = skimage.data.coffee()[..., ::-1]
    for number in range(3):
        crop = np.ascontiguousarray(image[40 * number : 40 * number + 97, 90:210])
        (folder / f'cup {number}.png').write_bytes(encode_png(crop))
    return folder


def wrong(capsys, *words):
    """Runs a command that must fail as wrong input does, and returns its one sentence."""
    assert main([str(word) for word in words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ''
    assert captured.err.count('\n') == 1
    assert 'Traceback' not in captured.err
    return captured.err


@pytest.mark.parametrize('name', COMMANDS)
def test_every_command_has_help_with_an_example(name, capsys):
    with pytest.raises(SystemExit) as end:
        main([name, '--help'])
    assert end.value.code == 0
    assert f'example:\n  bsr {name} ' in capsys.readouterr().out


def test_overview_and_version(capsys):
    assert main([]) == 2
    overview = capsys.readouterr().out
    assert all(f'\n  {name} ' in overview for name in COMMANDS)
    with pytest.raises(SystemExit):
        main(['--version'])
    assert capsys.readouterr().out == f'bsr {__version__}\n'


def test_unknown_command(capsys):
    with pytest.raises(SystemExit) as end:
        main(['prepar'])
    assert end.value.code == 2
    assert "invalid choice: 'prepar'" in capsys.readouterr().err


def test_prepare_makes_stores_and_says_what_they_hold(photographs, tmp_path, capsys):
    words = ['prepare', str(photographs), '--out', str(tmp_path / 'out'), '--scale', '2', '--lr-window', '24']
    assert main(words) == 0
    said = capsys.readouterr().out
    # 97x120 is cut to 96x120, so LR is 48x60: 25 x 37 windows of 24 pixels in each of 3 images.
    assert f'PIC index: {3 * 25 * 37:,} windows of 24 LR pixels, 16 intervals' in said
    assert LMDBStore(tmp_path / 'out/HR_x2.lmdb').sizes.tolist() == [[96, 120]] * 3
    assert main(words) == 0
    assert 'there already' in capsys.readouterr().out
    assert main([*words, '--check']) == 0
    assert '3 images' in capsys.readouterr().out


def test_check_finds_one_wrong_byte(photographs, tmp_path, capsys):
    words = ['prepare', str(photographs), '--out', str(tmp_path / 'out'), '--scale', '2', '--lr-window', '24']
    main(words)
    data = tmp_path / 'out/HR_x2.lmdb/data.mdb'
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 1
    data.write_bytes(content)
    capsys.readouterr()
    assert 'is damaged' in wrong(capsys, *words, '--check')


def test_bicubic_prints_and_writes_the_same_figures(photographs, tmp_path, capsys):
    target = tmp_path / 'row.json'
    assert main(['bicubic', str(photographs), '--scale', '3', '--json', str(target)]) == 0
    row = json.loads(target.read_text())
    last = capsys.readouterr().out.splitlines()[-1].split()
    assert last[:3] == ['mean', 'of', '3']
    assert float(last[3]) == pytest.approx(row['psnr_y'], abs=5e-5)
    assert float(last[4]) == pytest.approx(row['ssim_y'], abs=5e-5)
    assert set(row['images']) == {'cup 0', 'cup 1', 'cup 2'}


def test_pic_shows_uniform_and_balanced_shares(photographs, tmp_path, capsys):
    main(['prepare', str(photographs), '--out', str(tmp_path), '--scale', '2', '--lr-window', '16'])
    words = ['pic', str(tmp_path / 'LR_bicubic_x2.lmdb'), '--lr-window', '16', '--pic-bins', '4']
    assert main([*words, '--json', str(tmp_path / 'pic.json')]) == 0
    shares = json.loads((tmp_path / 'pic.json').read_text())
    assert sum(shares['uniform']) == pytest.approx(1)
    assert shares['balanced'] == [0.25] * 4
    assert shares['uniform'] != shares['balanced']
    assert '25.00%' in capsys.readouterr().out


def test_edges_of_the_intervals(photographs, tmp_path, capsys):
    words = ['--lr-window', '16', '--pic-edges', '0,2.5,40']
    assert main(['prepare', str(photographs), '--out', str(tmp_path), '--scale', '2', *words]) == 0
    assert '2 intervals up to 40.0 grey levels' in capsys.readouterr().out
    (index,) = (tmp_path / 'LR_bicubic_x2.lmdb').glob('*.idx')
    assert main(['pic', str(index.parent), *words, '--json', str(tmp_path / 'pic.json')]) == 0
    assert json.loads((tmp_path / 'pic.json').read_text())['edges'] == [0, 2.5, 40]
    assert list(index.parent.glob('*.idx')) == [index]
    capsys.readouterr()
    again = ['pic', str(index.parent)]
    assert 'must start at 0 and increase' in wrong(capsys, *again, '--pic-edges', '1,2')
    both = wrong(capsys, *again, '--pic-edges', '0,2', '--pic-spacing', 'quantile')
    assert '--pic-spacing is quantile, and --pic-edges is given: leave one of the two out.' in both
    for text in ('0,x', '0,inf', ''):
        with pytest.raises(SystemExit):
            main([*again, '--pic-edges', text])
        assert f"'{text}' is not a list of edges: use 0,K,... such as 0,20,50" in capsys.readouterr().err


@pytest.mark.parametrize(
    ('words', 'sentence'),
    [
        (['prepare', 'nowhere', '--out', 'out', '--scale', '2'], 'nowhere is not a folder'),
        (['prepare', 'empty', '--out', 'out', '--scale', '2'], 'empty holds no image'),
        (['prepare', 'text', '--out', 'out', '--scale', '2'], 'note.png is not a readable image'),
        (['prepare', 'photographs', '--out', 'out', '--scale', '1'], 'The scale is 1: use 2 or more.'),
        (
            ['prepare', 'photographs', '--out', 'out', '--scale', '2', '--lr-window', '64'],
            'as large as a patch: 128 HR',
        ),
        (['prepare', 'photographs', '--out', 'out', '--scale', '2', '--lr-window', '0'], 'The LR window is 0'),
        (['prepare', 'photographs', '--out', 'out', '--scale', '2', '--pic-bins', '0'], 'pic_bins is 0'),
        (['prepare', 'photographs', '--out', 'out', '--scale', '2', '--shard', '3/2'], 'The shard is 3/2'),
        (['prepare', 'photographs', '--out', 'out', '--scale', '2', '--check'], 'does not exist'),
        (['bicubic', 'nowhere', '--scale', '2'], 'nowhere is not a folder'),
        (['pic', 'nowhere.lmdb'], 'nowhere.lmdb does not exist'),
        (['compare', 'empty', '--hr', 'photographs', '--scale', '2'], 'empty holds no image'),
    ],
)
def test_wrong_input(words, sentence, photographs, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'text').mkdir()
    (tmp_path / 'text/note.png').write_text('no pixels')
    assert sentence in wrong(capsys, *words)
    assert not (tmp_path / 'out').exists()


def test_no_output_is_written_over_a_file_that_another_argument_names(photographs, tmp_path, capsys):
    file, folder = next(path for path in photographs.iterdir()), tmp_path / 'out'
    before = file.read_bytes()
    for words in (
        ['upscale', str(file), '-o', str(folder), '--json', str(file)],
        ['upscale', str(photographs), '-o', str(folder), '--json', str(file)],
        ['upscale', str(photographs), '-o', str(folder), '--json', str(folder / file.name)],
    ):
        assert 'name another file.' in wrong(capsys, *words)
    assert file.read_bytes() == before
    assert not folder.exists()
    both = [str(photographs), '--hr', str(photographs), '--scale', '2', '--json', 'x.png', '--picture', 'x.png']
    assert '--json is x.png, which would be written over: name another file.' in wrong(capsys, 'compare', *both)
    inside = ['compare', str(photographs), '--hr', str(photographs), '--scale', '2', '--picture', str(file)]
    for words in (['bicubic', str(photographs), '--scale', '2', '--json', str(file)], inside):
        assert f'a file of {photographs}, which would be written over: name another file.' in wrong(capsys, *words)
    assert file.read_bytes() == before
    # A word that is no path may be the same.
    labels = [str(folder), '--hr', str(photographs), '--scale', '2', '--json', 'x', '--name', 'x', '--label', 'x']
    assert 'would be written over' not in wrong(capsys, 'compare', *labels)


def test_table_has_columns():
    assert table(('a', 'bb'), [('ccc', '1'), ('d', '22')]) == 'a    bb\nccc   1\nd    22'


def test_json_is_written_whole_or_not_at_all(tmp_path):
    target = tmp_path / 'figures.json'
    write_json(target, {'x': 1})
    with pytest.raises(TypeError):
        write_json(target, {'x': object()})
    assert json.loads(target.read_text()) == {'x': 1}
    assert [path.name for path in tmp_path.iterdir()] == ['figures.json']
    figures = {'inf': math.inf, 'list': [1, (2.5, -math.inf)], 'nan': np.float64(math.nan)}
    write_json(tmp_path / 'nowhere/yet/figures.json', figures)
    text = (tmp_path / 'nowhere/yet/figures.json').read_text()
    found = json.loads(text, parse_constant=lambda name: pytest.fail(f'{name} is no JSON'))
    assert found == {'inf': 'Infinity', 'list': [1, [2.5, '-Infinity']], 'nan': 'NaN'}


@pytest.mark.parametrize('suffix', ['.png', '.bmp', '.jp2', '.gif'])
def test_of_a_damaged_image_nothing_but_the_sentence_is_said(tmp_path, suffix):
    whole = cv2.imencode(suffix, np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8))[1].tobytes()
    (tmp_path / f'cut{suffix}').write_bytes(whole[: len(whole) // 2])
    command = [sys.executable, '-m', 'bsr_plugin', 'bicubic', str(tmp_path), '--scale', '2']
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (2, '')
    assert re.fullmatch(rf'bsr bicubic: .*cut\{suffix} .*: remove or replace it\.\n', done.stderr)


def test_prepare_says_what_it_leaves_out(photographs, tmp_path, capsys):
    (photographs / 'notes.txt').write_text('no image')
    words = ['prepare', str(photographs), '--out', str(tmp_path / 'out'), '--scale', '2', '--lr-window', '24']
    assert main(words) == 0
    assert f'1 file in {photographs} is not an image and is left out: notes.txt\n' in capsys.readouterr().out

    (photographs / 'raw').mkdir()
    for number in range(5):
        (photographs / f'{number}.mov').write_text('a film')
    (photographs / '.hidden').write_text('of the system')
    small = np.zeros((40, 40, 3), np.uint8)
    (photographs / 'tiny.png').write_bytes(encode_png(small))
    (photographs / 'torn.png').write_bytes(encode_png(small)[:60])
    words[3] = str(tmp_path / 'again')
    assert main(words) == 1
    said = capsys.readouterr().out
    assert ': 4 images, 1 left out.\n' in said
    assert f'Left out: {photographs / "torn.png"} ' in said
    assert (
        f'6 files and 1 folder in {photographs} are not images and are left out: 0.mov, 1.mov, 2.mov, 3.mov, 4.mov, ...'
        in said
    )
    assert '\n1 image is smaller than a patch and will not be drawn.\n' in said
    assert main(words) == 1
    assert ': 4 images, 1 left out, there already.\n' in capsys.readouterr().out
    assert main([*words, '--check']) == 0
    assert capsys.readouterr().out.startswith('4 images of ')


def test_bicubic_does_not_wait_for_a_pipe(photographs, capsys):
    os.mkfifo(photographs / 'x.png')
    assert 'x.png cannot be read (a FIFO' in wrong(capsys, 'bicubic', photographs, '--scale', 2)


@pytest.mark.parametrize('words', [['--force_yml', 'a:b=c', 'FILE.yml'], ['--train'], ['--elsewhere']])
def test_options_without_a_file_to_check(capsys, words):
    assert wrong(capsys, 'options', *words) == (
        'bsr options: There is no option file to check: name it first, before --force_yml.\n'
    )


@pytest.mark.parametrize(('encoding', 'printed'), [('ascii', b'\\u540d\xe9'), ('utf-8', '名'.encode() + b'\xe9')])
def test_names_are_printed_whatever_the_terminal_knows(tmp_path, monkeypatch, encoding, printed):
    file = os.fsencode(tmp_path / '名') + b'\xe9.yml'
    with open(file, 'w') as options:
        options.write((ROOT / 'options/test_BSR_x2.yml').read_text())
    terminal = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    monkeypatch.setattr(sys, 'stdout', terminal)
    assert main(['options', '--elsewhere', os.fsdecode(file)]) == 0
    said = terminal.buffer.getvalue()
    assert said == os.fsencode(tmp_path) + b'/' + printed + b'.yml: OK (test options)\n'
