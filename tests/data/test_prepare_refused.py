"""What ``prepare`` refuses, and what it leaves untouched then."""

import errno
import os
import shutil
import threading
from pathlib import Path

import lmdb
import numpy as np
import pytest
from cropping import cropped
from folders import contents

from bsr_plugin.data import hr_images as hr_images_module
from bsr_plugin.data.check import check_stores
from bsr_plugin.data.image_file import encode_png
from bsr_plugin.data.prepare import Preparation, prepare
from bsr_plugin.data.store import LMDBStore
from bsr_plugin.data.store_write import StoreWriter
from bsr_plugin.errors import InputError


@pytest.mark.parametrize('encoding', ['raw', 'files'])
def test_equal_names_leave_nothing_behind(tmp_path, write_images, picture, encoding):
    folder = write_images(tmp_path / 'hr', {'fine.png': picture(40, 40), 'fine.bmp': picture(40, 41)})
    with pytest.raises(InputError, match=r'fine\.bmp and fine\.png would get the same name: rename one of them\.'):
        prepare(Preparation(folder, tmp_path / 'out', 2, lr_window=8, encoding=encoding))
    assert not (tmp_path / 'out').exists()


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize('encoding', ['raw', 'files'])
@pytest.mark.parametrize('where', ['lmdb', 'fsync', 'replace', 'mkdir'])
def test_a_full_disk_leaves_nothing_behind(tmp_path, hr_folder, monkeypatch, encoding, where):
    def full(*_, **__):
        raise lmdb.DiskError('mdb_txn_commit: No space left on device') if where == 'lmdb' else FULL

    monkeypatch.setattr(hr_images_module, '_BATCH_IMAGES', 2)
    if where == 'lmdb':
        monkeypatch.setattr(StoreWriter, '_database' if encoding == 'raw' else '_stored', full)
    elif where == 'mkdir':
        monkeypatch.setattr(Path, 'mkdir', full)
    else:
        monkeypatch.setattr(os, where, full)
    with pytest.raises((OSError, lmdb.Error), match='No space left on device'):
        prepare(Preparation(hr_folder, tmp_path / 'out', 2, lr_window=12, encoding=encoding))
    assert not (tmp_path / 'out').exists() or list((tmp_path / 'out').iterdir()) == []


def test_a_database_that_is_always_full_ends(tmp_path, hr_folder, monkeypatch):
    asked = []

    def full(self):
        asked.append(self._map_size)
        raise lmdb.MapFullError('mdb_put: MDB_MAP_FULL')

    monkeypatch.setattr(StoreWriter, '_stored', lambda self, lines: [])
    monkeypatch.setattr(StoreWriter, '_database', full)
    with pytest.raises(lmdb.MapFullError):
        prepare(Preparation(hr_folder, tmp_path / 'out', 2, lr_window=12))
    assert 2 < len(asked) < 40
    assert list((tmp_path / 'out').iterdir()) == []


def test_sizes_that_do_not_fit_get_a_sentence(tmp_path, write_images, picture):
    folder = write_images(tmp_path / 'hr', {'small.png': picture(30, 90), 'large.png': picture(50, 40)})
    with pytest.raises(InputError, match=r'as large as a patch: 42 HR pixels \(window 21 x scale 2\), and the largest'):
        prepare(Preparation(folder, tmp_path / 'out', 2, lr_window=21))
    made = prepare(Preparation(folder, tmp_path / 'out', 2, lr_window=20))
    assert made.index.usable.tolist() == [0]
    write_images(folder, {'tiny.png': picture(3, 90)})
    with pytest.raises(InputError, match=r'tiny\.png is 3x90, smaller than the scale 4\.'):
        prepare(Preparation(folder, tmp_path / 'other', 4, lr_window=8))
    assert not (tmp_path / 'other').exists()


def test_equal_names_are_found_across_parts(tmp_path, write_images, picture):
    folder = write_images(tmp_path / 'hr', {'a.png': picture(40, 40), 'a.bmp': picture(40, 40, 1)})
    for number in (1, 2):
        with pytest.raises(InputError, match=r'a\.bmp and a\.png would get the same name'):
            prepare(Preparation(folder, tmp_path / 'out', 2, lr_window=8, shard=(number, 2)))


def test_names_that_do_not_fit_get_a_sentence(tmp_path, write_images, picture):
    folder = write_images(tmp_path / 'hr', {f'{"é" * 110}.png': picture(40, 40)})
    with pytest.raises(InputError, match='is too long for a store: shorten it'):
        prepare(Preparation(folder, tmp_path / 'out', 2, lr_window=8))  # 6 bytes a letter in a key
    prepare(Preparation(folder, tmp_path / 'out', 2, encoding='files'))
    longest = write_images(tmp_path / 'longest', {f'{"x" * 251}.tif': picture(40, 40)})
    prepare(Preparation(longest, tmp_path / 'made', 2, encoding='files'))
    assert (tmp_path / f'made/HR_x2/{"x" * 251}.png').is_file()
    (folder / b'caf\xe9.png'.decode('utf-8', 'surrogateescape')).write_bytes(encode_png(picture(40, 40)))
    with pytest.raises(InputError, match=r"The file name 'caf\\udce9\.png' is not UTF-8: rename the file\."):
        prepare(Preparation(folder, tmp_path / 'files', 2, encoding='files'))


@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        ({'scale': 1}, r'The scale is 1: use 2 or more\.'),
        ({'scale': 2, 'lr_window': 0}, r'The LR window is 0 pixels: use 1 or more\.'),
        ({'scale': 2, 'shard': (0, 3)}, r'The shard is 0/3: use i/n with i from 1 to n\.'),
        ({'scale': 2, 'shard': (4, 3)}, r'The shard is 4/3'),
        ({'scale': 2, 'shard': (6, 6)}, r'has fewer images than the 6 shards asked for\.'),
        (
            {'scale': 2, 'degradation': 'nearest', 'lr_window': 8},
            r"The degradation is 'nearest': use bicubic or blur-down",
        ),
    ],
)
def test_wrong_settings_get_a_sentence(tmp_path, hr_folder, arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        prepare(Preparation(hr_folder, tmp_path / 'out', **arguments))
    assert not (tmp_path / 'out').exists() or list((tmp_path / 'out').iterdir()) == []


@pytest.mark.parametrize('folder', ['absent', 'empty'])
def test_folders_without_images_get_a_sentence(tmp_path, folder):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(InputError, match='absent is not a folder' if folder == 'absent' else 'empty holds no image'):
        prepare(Preparation(tmp_path / folder, tmp_path / 'out', 2))
    assert not (tmp_path / 'out').exists()


def test_changed_sources_do_not_touch_a_finished_store(tmp_path, write_images, hr_images):
    folder = write_images(tmp_path / 'hr', hr_images)
    made = prepare(Preparation(folder, tmp_path / 'out', 2, lr_window=12))
    before = contents(tmp_path / 'out')
    write_images(folder, {'a.png': hr_images['b.png']})
    with pytest.raises(
        InputError, match='exists and was made from other images or settings: remove it, or use another'
    ):
        prepare(Preparation(folder, tmp_path / 'out', 2, lr_window=12))
    assert contents(tmp_path / 'out') == before
    shutil.rmtree(made.hr_path)
    shutil.rmtree(made.lr_path)
    assert prepare(Preparation(folder, tmp_path / 'out', 2, lr_window=12)).made


def test_changed_sources_begin_an_unfinished_store_anew(tmp_path, write_images, hr_images, monkeypatch, prepare_until):
    monkeypatch.setattr(hr_images_module, '_BATCH_IMAGES', 2)
    folder = write_images(tmp_path / 'hr', hr_images)
    prepare_until(Preparation(folder, tmp_path / 'out', 2, lr_window=12), 'd.png')
    assert (tmp_path / 'out' / '.HR_x2.lmdb.partial').exists()
    assert not (tmp_path / 'out' / 'HR_x2.lmdb').exists()
    write_images(folder, {'a.png': hr_images['b.png']})
    made = prepare(Preparation(folder, tmp_path / 'out', 2, lr_window=12))
    np.testing.assert_array_equal(LMDBStore(made.hr_path).image(0), cropped(hr_images['b.png'], 2))


@pytest.mark.parametrize('degradation', ['bicubic', 'blur-down'])
def test_a_second_run_at_the_same_time_is_refused(tmp_path, hr_folder, monkeypatch, degradation):
    begun, go_on = threading.Event(), threading.Event()
    read = hr_images_module.read_image

    def waiting(path):
        begun.set()
        assert go_on.wait(60)
        return read(path)

    monkeypatch.setattr(hr_images_module, 'read_image', waiting)
    results = []
    first = threading.Thread(target=lambda: results.append(prepare(Preparation(hr_folder, tmp_path, 2, lr_window=12))))
    first.start()
    assert begun.wait(60)
    with pytest.raises(InputError, match=r'Another bsr prepare is at work on .*HR_x2\.lmdb: wait for it to end\.'):
        prepare(Preparation(hr_folder, tmp_path, 2, degradation, lr_window=12))
    go_on.set()
    first.join(60)
    assert results[0].made
    assert check_stores([results[0].hr_path, results[0].lr_path]) == 5
    assert not [path for path in tmp_path.iterdir() if path.suffix == '.lock']
