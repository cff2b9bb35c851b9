import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from bsr_plugin.cli import main


@pytest.fixture
def photos(tmp_path, noise):
    folder = tmp_path / 'photos'
    (folder / 'deep').mkdir(parents=True)
    for number, name in enumerate(('a.png', 'deep/b.jpg')):
        Image.fromarray(noise(24, 30 + number, 3)).save(folder / name)
    return folder


def bsr(*words):
    return main(['upscale', *map(str, words)])


def test_a_folder_with_a_bad_file_is_partly_done(photos, tiny, tmp_path, capsys):
    (photos / 'bad.png').write_bytes(b'no pixels')
    out, figures = tmp_path / 'out', tmp_path / 'figures.json'
    words = (photos, '-o', out, '--weights', tiny, '--precision', 'float32', '--json', figures)
    assert bsr(*words) == 1
    said = capsys.readouterr()
    assert said.out.startswith(f'3 images, x2, weights {tiny}, float32\n')
    assert said.out.endswith(f', 1 failed: {photos / "bad.png"}\n')
    assert said.err.startswith(f'bsr upscale: {photos / "bad.png"} cannot be read (')
    told = json.loads(figures.read_text())
    assert told['done'] == [str(out / 'a.png'), str(out / 'deep/b.jpg')]
    assert list(told['failed']) == [str(photos / 'bad.png')]
    assert told['skipped'] == []
    assert told['megapixels_per_s'] > 0
    assert Image.open(out / 'deep/b.jpg').size == (62, 48)

    (photos / 'bad.png').unlink()
    assert bsr(*words) == 0
    assert '2 skipped (there already), 0 failed' in capsys.readouterr().out
    assert len(json.loads(figures.read_text())['skipped']) == 2


def test_a_file_gives_what_the_function_gives(photos, tiny, tmp_path):
    from bsr_plugin import upscale

    assert bsr(photos / 'a.png', '-o', tmp_path / 'x.png', '--weights', tiny, '--tile', 16) == 0
    pixels = np.asarray(Image.open(photos / 'a.png'))
    assert (np.asarray(Image.open(tmp_path / 'x.png')) == upscale(pixels, 2, weights=tiny, tile=16)).all()


def test_the_first_line_is_there_before_the_first_image_is(photos, tiny, tmp_path):
    code = (
        'import os, sys; from bsr_plugin.cli import main; from bsr_plugin.upscaling import files\n'
        'files.upscale_files = lambda *arguments: os._exit(7)\n'
        'main(sys.argv[1:])'
    )
    words = ['upscale', photos, '-o', tmp_path / 'out', '--weights', tiny, '--device', 'cpu', '--precision', 'float32']
    done = subprocess.run([sys.executable, '-c', code, *map(str, words)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (7, f'2 images, x2, weights {tiny}, float32\n')


@pytest.mark.parametrize(
    ('words', 'sentence'),
    [
        (['nowhere.png'], 'nowhere.png does not exist'),
        (['@a', '--scale', 3], 'upscales by 2, not by 3'),
        (['@a', '--scale', 5], '--scale is 5: use 2, 3, 4 or 8.'),
        (
            ['@a', '--weights', 'nowhere.pth'],
            'nowhere.pth does not exist: give a file of weights, or one of the names x2, ',
        ),
        (['@a', '--weights', '@a'], 'a.png is damaged or not a checkpoint'),
        (['@a', '--shard', '3/2'], 'The shard is 3/2'),
        (['@a', '--tile', 4], '--tile is 4: use 16 or more.'),
        (['@a', '--quality', 0], '--quality is 0: use 1 to 100.'),
    ],
)
def test_wrong_input_is_one_sentence(photos, tiny, tmp_path, capsys, words, sentence):
    words = [photos / 'a.png' if word == '@a' else word for word in words]
    assert bsr('--weights', tiny, '-o', tmp_path / 'out', *words) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count('\n') == 1
    assert not (tmp_path / 'out').exists()


def test_without_weights_that_ship_the_fix_is_named(photos, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr('bsr_plugin.upscaling.network.names', list)
    assert bsr(photos, '-o', tmp_path / 'out', '--scale', 3) == 2
    assert capsys.readouterr().err == (
        'bsr upscale: No weights for x3 ship with this version of bsr_plugin (none do): give --weights FILE.\n'
    )


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob('*') if path.is_file()}


@pytest.mark.slow
def test_a_thousand_images_killed_in_the_middle_and_started_again_are_the_same_bytes(tmp_path, tiny, programs):
    rng = np.random.default_rng(0)
    for number in range(1000):
        path = tmp_path / f'photos/{number % 10}/{number}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (*rng.integers(4, 24, 2), 3), np.uint8)).save(path)
    words = [sys.executable, '-m', 'bsr_plugin', 'upscale', tmp_path / 'photos', '--weights', tiny, '-o']
    killed = programs.start([*words, tmp_path / 'killed'])
    while len(list((tmp_path / 'killed').rglob('*.png'))) < 300:
        assert killed.poll() is None
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert len(list((tmp_path / 'killed').rglob('[0-9]*.png'))) < 1000
    again = programs.run([*words, tmp_path / 'killed'], timeout=500)
    assert again.returncode == 0, again.stderr
    assert ' skipped (there already), 0 failed' in again.stdout
    assert bsr(tmp_path / 'photos', '-o', tmp_path / 'whole', '--weights', tiny) == 0
    whole = contents(tmp_path / 'whole')
    assert len(whole) == 1000
    assert contents(tmp_path / 'killed') == whole


@pytest.mark.parametrize(
    'out', ['file/x.png', '/dev/null', '/dev/null/x.png', '/proc/absent/x.png', 5000 * 'x', 'a\0b']
)
def test_places_that_cannot_be_written_to(photos, tiny, tmp_path, capsys, monkeypatch, out):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'file').write_text('text')
    before = sorted(tmp_path.rglob('*'))
    assert bsr(photos / 'a.png', '--weights', tiny, '-o', out) == 2
    said = capsys.readouterr().err
    assert said.count('\n') == 1
    assert 'Traceback' not in said
    assert sorted(tmp_path.rglob('*')) == before


def test_figures_of_files_whose_names_are_not_text(photos, tiny, tmp_path, capfd):
    (photos / 'a.png').rename(photos / os.fsdecode(b'caf\xe9.png'))
    (photos / os.fsdecode(b'br\xf8ken.png')).write_bytes(b'no pixels')
    figures = tmp_path / 'figures.json'
    assert bsr(photos, '-o', tmp_path / 'out', '--weights', tiny, '--json', figures) == 1
    capfd.readouterr()  # pytest's own processes pass text on, and these names are none
    told = json.loads(figures.read_text('ascii'))
    assert [os.fsencode(name) for name in told['failed']] == [os.fsencode(photos / 'br') + b'\xf8ken.png']
    assert os.fsencode(told['done'][0]) == os.fsencode(tmp_path / 'out') + b'/caf\xe9.png'
