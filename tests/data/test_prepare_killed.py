"""``bsr prepare`` killed by SIGKILL at random moments: the next run ends with the bytes of one that was not killed.

A few kills by default; ``BSR_LONG=1`` makes it 50 for each encoding.
"""

import hashlib
import os
import signal
import time

import numpy as np
import pytest

from bsr_plugin.data.check import check_stores
from bsr_plugin.data.store import open_store
from bsr_plugin.pic.index import PICIndex

#: The command line with small batches, so that there are many of them to be killed in; says when it begins.
RUN = """
import sys
from bsr_plugin.cli import main
from bsr_plugin.data import hr_images
hr_images._BATCH_IMAGES = 3
print('ready', flush=True)
sys.exit(main(['prepare', *sys.argv[1:]]))
"""
IMAGES, SCALE, WINDOW = 22, 2, 14


@pytest.fixture(scope='module')
def sources(tmp_path_factory, write_images, picture):
    images = {f'im.{number:02}.png': picture(80 + 3 * number, 101, number) for number in range(IMAGES)}
    return write_images(tmp_path_factory.mktemp('killed') / 'hr', images)


@pytest.fixture
def start(programs, sources, tmp_path):
    """Starts a run, which has just begun to work."""
    script = tmp_path / 'run.py'
    script.write_text(RUN)

    def run(out, encoding):
        words = [sources, '--out', out, '--scale', SCALE, '--lr-window', WINDOW, '--encoding', encoding]
        process = programs.fork([script, *words])
        assert process.stdout.readline() == 'ready\n'
        return process

    return run


def finish(process):
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 0, printed


def digests(folder):
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob('*')
        if file.is_file()
    }


def assert_what_is_visible_is_whole(out, encoding):
    """Whatever a reader finds under a final name is complete and readable."""
    for folder in out.glob('[!.]*'):
        assert folder.name.removesuffix('.lmdb') in ('HR_x2', 'LR_bicubic_x2')
        assert check_stores([folder]) == IMAGES
        store = open_store(folder, 'disk' if encoding == 'files' else 'lmdb')
        assert [store.image(at).shape[0] for at in range(IMAGES)] == store.sizes[:, 0].tolist()
        if folder.name == 'LR_bicubic_x2.lmdb':
            (index,) = folder.glob('*.idx')
            assert PICIndex(index).key['digest'] == store.digest


@pytest.mark.parametrize(('encoding', 'kills'), [('raw', 3), ('png', 1), ('files', 2)])
def test_killed_runs_end_with_the_same_bytes(tmp_path, start, encoding, kills):
    began = start(tmp_path / 'whole', encoding)
    moment = time.perf_counter()
    finish(began)
    duration = time.perf_counter() - moment
    expected = digests(tmp_path / 'whole')
    assert len([name for name in expected if name.endswith('meta_info.txt')]) == 2
    assert_what_is_visible_is_whole(tmp_path / 'whole', encoding)

    rng = np.random.default_rng(len(encoding))
    results = {'killed at work': 0, 'killed with a store finished': 0}
    wanted = 50 if os.environ.get('BSR_LONG') else kills
    attempts = 0
    while sum(results.values()) < wanted:
        attempts += 1
        assert attempts < 20 * wanted
        out = tmp_path / f'{attempts}'
        killed = False
        for _ in range(rng.integers(1, 3)):  # now and then the continued run is killed too
            process = start(out, encoding)
            time.sleep(rng.uniform(0, duration))
            process.send_signal(signal.SIGKILL)
            process.communicate()
            if process.returncode == -signal.SIGKILL and out.exists():
                killed = True
                visible = [folder for folder in out.iterdir() if not folder.name.startswith('.')]
                results['killed with a store finished' if visible else 'killed at work'] += 1
                assert_what_is_visible_is_whole(out, encoding)
        if killed:
            finish(start(out, encoding))
            assert digests(out) == expected
    print(f'{encoding}: {results} of {attempts} attempts, a run takes {duration:.2f} s')
