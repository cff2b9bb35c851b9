"""Every command of README and docs is run, in a folder such as a newcomer has, with small data sets and networks.

``tests/bench`` runs what measures speed, ``tests/serve`` what serves until it is ended, and ``make`` its own.
"""

import hashlib
import os
import re
import shutil
import tarfile
import zipfile
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from pages import PAGES, ROOT, commands
from servers import serving
from skimage import data as photographs
from small_networks import SMALL_NETWORKS

from bsr_plugin.cli import main
from bsr_plugin.data import sources
from bsr_plugin.options.loader import read_options

SHIPPED = 'bsr_plugin/weights/bsr_x2.safetensors'
#: What stands for a word in capitals, and for what must not be written over, after the command it belongs to.
STANDS_FOR = {
    'bsr export': {'WEIGHTS': 'x2', 'FILE': 'exported.safetensors', SHIPPED: 'own.safetensors'},
    'bsr options': {'FILE': 'options/train_BSR_x4.yml'},
    'bsr prepare': {'HR_DIR': 'photos', 'OUT': 'prepared'},
    'bsr bicubic': {'HR_DIR': 'datasets/Set5/GTmod12', 'S': '4'},
    'bsr card': {'x2': 'own.safetensors'},
    'bsr pic': {'LR_STORE': 'prepared/LR_bicubic_x4.lmdb'},
    'bsr figure': {'LR_STORE': 'prepared/LR_bicubic_x4.lmdb'},
    'python basicsr/train.py': {'/path/to/train_BSR_x4.yml': 'options/train_BSR_x4.yml'},
}


@pytest.fixture
def downloads(tmp_path, monkeypatch):
    """The real archives' folders and names, from a server of this machine, with one small photograph in each folder."""
    folder = tmp_path / 'server'
    folder.mkdir()
    hr = cv2.cvtColor(photographs.astronaut()[:240, :288], cv2.COLOR_RGB2BGR)
    every = [archive for archives in sources.SOURCES.values() for archive in archives]
    for name in {archive.name for archive in every}:
        write = _into_zip if name.endswith('.zip') else _into_tar
        inside = {place.inside: place for archive in every if archive.name == name for place in archive.folders}
        images = {}
        for place in inside.values():
            height, width = (side // (place.scale or 1) for side in hr.shape[:2])
            png = cv2.imencode('.png', cv2.resize(hr, (width, height), interpolation=cv2.INTER_AREA))[1]
            images[f'{place.inside}/portrait{place.suffix}.png'] = png.tobytes()
        write(folder / name, images)
    with serving(folder) as (address, _):
        for name, archives in sources.SOURCES.items():
            served = [(archive, hashlib.md5((folder / archive.name).read_bytes()).hexdigest()) for archive in archives]
            here = (replace(archive, url=f'{address}/{archive.name}', md5=md5) for archive, md5 in served)
            monkeypatch.setitem(sources.SOURCES, name, tuple(here))
        yield


def _into_zip(file, images):
    with zipfile.ZipFile(file, 'w') as archive:
        for path, content in images.items():
            archive.writestr(path, content)


def _into_tar(file, images):
    with tarfile.open(file, 'w') as archive:
        for path, content in images.items():
            at = file.parent / 'image'
            at.write_bytes(content)
            archive.add(at, path)


@pytest.fixture
def newcomer(tmp_path, monkeypatch, downloads):
    """A clone whose option files train small networks for two iterations, and somebody's photographs in it."""
    clone = tmp_path / 'bsr'
    shutil.copytree(ROOT / 'basicsr', clone / 'basicsr', ignore=shutil.ignore_patterns('__pycache__'))
    shutil.copytree(ROOT / 'options', clone / 'options')
    (clone / 'docs').mkdir()
    for file in clone.glob('options/**/*.yml'):
        if file.parent.name != 'studies' and not file.match('pretrained/test_*.yml'):
            rest = {key: value for key, value in smaller(read_options(file)).items() if key != 'bsr_plugin'}
            text = yaml.safe_dump(rest, sort_keys=False)
            file.write_text(f'bsr_plugin: !!python/name:bsr_plugin.__version__\n{text}')
    study = clone / 'options/studies/sampling_sample_x2.yml'
    study.write_text(study.read_text().replace('seeds: [0, 1, 2]', 'seeds: [0]'))
    photo = cv2.cvtColor(photographs.astronaut()[:224, :208], cv2.COLOR_RGB2BGR)
    for name in (
        'datasets/291/hr/a.png',
        'datasets/291/held_out/b.png',
        'photo.jpg',
        'photos/one.png',
        'photos/two.png',
        'scans/1969/three.tif',
    ):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(clone / name), photo)
    monkeypatch.chdir(clone)
    return clone


def smaller(options):
    """The options, with what takes time made small."""
    options['num_gpu'] = 0
    options['network_g'].update(SMALL_NETWORKS[options['network_g']['type']])
    if 'train' in options:
        options['train']['total_iter'] = options['val']['val_freq'] = 2
        options['train']['compile'] = False
        options['logger']['save_checkpoint_freq'] = 2
        options['datasets']['train'].update(batch_size_per_gpu=2, num_worker_per_gpu=1)
    return options


@pytest.mark.slow
def test_every_command_does_what_it_is_there_for(newcomer, programs, capsys):
    done = set()
    for page in sorted(PAGES, key=lambda page: page.name == 'upscaling.md'):
        if page.name == 'upscaling.md':
            shutil.copy('experiments/train_BSR_x4/models/net_g_latest.pth', '.')
        for words in commands(page):
            if tuple(words) not in done and words[1] not in ('bench', 'serve'):
                done.add(tuple(words))
                capsys.readouterr()
                stand_ins = STANDS_FOR.get(' '.join(words[:2]), {})
                status = run([stand_ins.get(word, word) for word in words], programs)
                assert status == 0, f'{page.name}: {" ".join(words)}\n{"".join(capsys.readouterr())}'
    assert len(done) > 25
    for made in (
        'large.png',
        'photo_x2.jpg',
        'large/one.png',
        'large/1969/three.tif',
        'exported.safetensors',
        'own.md',
        'pic.png',
        'batches.png',
        'report/index.html',
        'studies/sampling/index.html',
        'experiments/train_SwinIR_x4/models/net_g_2.pth',
        'datasets/Flickr2K/Flickr2K_HR/portrait.png',
        'datasets/Urban100/LRbicx3/portrait.png',
    ):
        assert (newcomer / made).is_file(), made
    assert Path('docs/options.md').read_text() == (ROOT / 'docs/options.md').read_text()


def run(words, programs):
    """Runs one command, with its imports done; gives its exit status."""
    program, *rest = words
    if program == 'bsr':
        redirected = Path(rest.pop()) if '>' in rest else None
        if redirected:
            rest.remove('>')
            with redirected.open('w') as file, redirect_stdout(file):
                return main(rest)
        return main(rest)
    environment = {**os.environ, 'CUDA_VISIBLE_DEVICES': ''}
    if program == 'torchrun':
        # Two ranks, whatever the number: tests/models/test_many_ranks.py has torchrun itself start them.
        status, printed = programs.run_two_ranks(rest[1:], environment, cwd=Path.cwd())
    else:
        process = programs.fork(rest, environment, cwd=Path.cwd())
        printed, _ = programs.finish(process)
        status = process.returncode
    print(printed)
    return status


PYTHON = re.compile(r'(?:^    (?:from|import|\w+ = ).*\n)+', re.MULTILINE)


def test_python_of_the_pages_runs(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    image = photographs.astronaut()[:40, :56]
    cv2.imwrite('photo.jpg', image)
    blocks = [block for page in PAGES for block in PYTHON.findall(page.read_text(encoding='utf-8'))]
    assert len(blocks) == 2
    for block in blocks:
        names = {'image': image}
        exec(re.sub('^    ', '', block, flags=re.MULTILINE), names)
        assert names['large'].shape == (80, 112, 3)
        assert names['large'].dtype == np.uint8
