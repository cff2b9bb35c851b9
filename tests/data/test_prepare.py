import copy
import errno
import os
import re
import shutil
import socket
import threading
from dataclasses import replace
from pathlib import Path

import lmdb
import numpy as np
import pytest
from basicsr.data.paired_image_dataset import PairedImageDataset
from hypothesis import given
from hypothesis import strategies as st

from bsr_plugin import parallel
from bsr_plugin.data import hr_images as hr_images_module
from bsr_plugin.data.check import check_stores
from bsr_plugin.data.degradation import degrade
from bsr_plugin.data.image_file import encode_png
from bsr_plugin.data.meta_info import digest_of
from bsr_plugin.data.prepare import Preparation, prepare
from bsr_plugin.data.store import FolderStore, LMDBStore, open_store
from bsr_plugin.data.store_description import read_description
from bsr_plugin.data.store_write import StoreWriter
from bsr_plugin.errors import InputError
from bsr_plugin.pic.intervals import IntervalRule
from bsr_plugin.pic.measure import gradient_map, window_sums

ODD_NAMES = ['a.b.c', 'with blank', 'Ünïcödé', '写真', '50% (1)', 'a', 'a.b']


def cropped(image, scale):
    return image[: image.shape[0] // scale * scale, : image.shape[1] // scale * scale]


def contents(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob('*') if file.is_file()}


def stock(made, encoding, scale=2):
    """BasicSR's own reader on what was made, for whole images."""
    return PairedImageDataset(
        {
            'dataroot_gt': str(made.hr_path),
            'dataroot_lq': str(made.lr_path),
            'io_backend': {'type': 'disk' if encoding == 'files' else 'lmdb'},
            'scale': scale,
            'phase': 'val',
        }
    )


@pytest.mark.parametrize(('scale', 'degradation'), [(2, 'bicubic'), (3, 'blur-down'), (4, 'bicubic')])
@pytest.mark.parametrize('encoding', ['raw', 'png', 'files'])
def test_hr_is_cut_and_lr_is_its_degradation(tmp_path, hr_folder, hr_images, scale, degradation, encoding):
    made = prepare(Preparation(hr_folder, tmp_path, scale, degradation, lr_window=8, encoding=encoding))
    suffix = '' if encoding == 'files' else '.lmdb'
    assert (made.hr_path, made.lr_path) == (
        tmp_path / f'HR_x{scale}{suffix}',
        tmp_path / f'LR_{degradation}_x{scale}{suffix}',
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([made.hr_path.name, made.lr_path.name])
    assert (made.images, made.made) == (5, True)
    backend = 'disk' if encoding == 'files' else 'lmdb'
    hr, lr = open_store(made.hr_path, backend), open_store(made.lr_path, backend)
    assert hr.names == lr.names == ['a', 'b', 'c', 'd', 'e']
    for position, name in enumerate(hr.names):
        expected = cropped(hr_images[f'{name}.png'], scale)
        np.testing.assert_array_equal(hr.image(position), expected)
        np.testing.assert_array_equal(lr.image(position), degrade(expected, scale, degradation))
    again = prepare(Preparation(hr_folder, tmp_path, scale, degradation, lr_window=8, encoding=encoding))
    assert not again.made


def test_index_lies_in_the_lr_store(stores, hr_images):
    assert [path.suffix for path in stores.lr_path.iterdir()].count('.idx') == 1
    lr = LMDBStore(stores.lr_path)
    assert stores.index.bins == 4
    assert stores.index.key['digest'] == lr.digest
    for position in range(5):
        windows = window_sums(gradient_map(lr.image(position)), 12)
        assert stores.index.grid[position].tolist() == list(windows.shape)
        expected = np.digitize(windows.ravel(), stores.index.thresholds)
        places = np.arange(windows.size)
        found = stores.index.intervals_at(np.full(windows.size, position), places)
        np.testing.assert_array_equal(found, expected)
    assert stores.index.usable.size == 4


@pytest.mark.parametrize('encoding', ['png', 'files'])
def test_stock_paired_image_dataset_reads_it(tmp_path, write_images, picture, encoding):
    images = {f'{name}.png': picture(30, 40 + at, at) for at, name in enumerate(ODD_NAMES)}
    folder = write_images(tmp_path / 'hr', images)
    made = prepare(Preparation(folder, tmp_path / 'out', 2, lr_window=8, encoding=encoding))
    ours = open_store(made.lr_path, 'disk' if encoding == 'files' else 'lmdb')
    assert sorted(ours.names) == sorted(ODD_NAMES)
    lr = dict(zip(ours.names, map(ours.image, range(len(ODD_NAMES))), strict=True))
    del ours  # LMDB may be opened once per process
    samples = stock(made, encoding)
    assert len(samples) == len(ODD_NAMES)
    seen = []
    for sample in (samples[position] for position in range(len(samples))):
        gt = np.rint(sample['gt'].numpy() * 255).astype(np.uint8).transpose(1, 2, 0)[..., ::-1]
        (name,) = (name for name, image in images.items() if np.array_equal(cropped(image, 2), gt))
        expected = degrade(gt, 2, 'bicubic')
        np.testing.assert_array_equal(
            sample['lq'].numpy().transpose(1, 2, 0)[..., ::-1], expected.astype(np.float32) / 255
        )
        np.testing.assert_array_equal(lr[name[:-4]], expected)
        seen.append(name[:-4])
    assert sorted(seen) == sorted(ODD_NAMES)


def test_sources_of_other_kinds(tmp_path, write_images, picture):
    colour, grey = picture(30, 40), picture(30, 40, 1)[..., 0]
    deep = colour.astype(np.uint16) * 257
    opaque = np.dstack([colour, np.full((30, 40), 255, np.uint8)])
    folder = write_images(tmp_path / 'hr', {'g.png': grey, 'd.tif': deep, 'o.png': opaque, 'c.bmp': colour})
    made = prepare(Preparation(folder, tmp_path / 'out', 2, lr_window=8))
    store = LMDBStore(made.hr_path)
    expected = {'g': np.dstack([grey] * 3), 'd': colour, 'o': colour, 'c': colour}
    for position, name in enumerate(store.names):
        np.testing.assert_array_equal(store.image(position), expected[name])


def test_both_degradations_share_the_hr_store(tmp_path, hr_folder):
    first = prepare(Preparation(hr_folder, tmp_path, 3, 'bicubic', lr_window=8))
    before = contents(first.hr_path)
    second = prepare(Preparation(hr_folder, tmp_path, 3, 'blur-down', lr_window=8))
    assert second.made
    assert first.hr_path == second.hr_path
    assert contents(second.hr_path) == before
    assert LMDBStore(first.lr_path).digest != LMDBStore(second.lr_path).digest


def test_another_window_gets_an_index_of_its_own(tmp_path, hr_folder):
    first = prepare(Preparation(hr_folder, tmp_path, 2, lr_window=8))
    second = prepare(Preparation(hr_folder, tmp_path, 2, lr_window=11, intervals=IntervalRule(bins=3)))
    assert not second.made
    assert (first.index.window, second.index.window, second.index.bins) == (8, 11, 3)
    assert first.index.path != second.index.path


@given(st.lists(st.tuples(st.integers(1, 9000), st.integers(1, 9000)), min_size=1, max_size=700))
def test_batches_are_bounded_and_cover_everything(sizes):
    sources = [hr_images_module.HRImage(None, '', *size) for size in sizes]
    batches = list(hr_images_module.batches(sources))
    assert [start for start, _ in batches] == [0, *(end for _, end in batches[:-1])]
    assert batches[-1][1] == len(sizes)
    for start, end in batches:
        assert 0 < end - start <= 256
        # Without its last image a batch is below the limit.
        assert sum(height * width * 3 for height, width in sizes[start : end - 1]) < 1 << 26


@pytest.mark.parametrize('encoding', ['raw', 'files'])
def test_equal_names_leave_nothing_behind(tmp_path, write_images, picture, encoding):
    folder = write_images(tmp_path / 'hr', {'fine.png': picture(40, 40), 'fine.bmp': picture(40, 41)})
    with pytest.raises(InputError, match=r'fine\.bmp and fine\.png would get the same name: rename one of them\.'):
        prepare(Preparation(folder, tmp_path / 'out', 2, lr_window=8, encoding=encoding))
    assert not (tmp_path / 'out').exists()


def cut(data):
    return data[: len(data) // 2]


UNREADABLE = [
    ('a_text.png', lambda whole: b'no image', r'a_text\.png is not an image that can be read'),
    ('empty.jpg', lambda whole: b'', r'empty\.jpg is not an image that can be read'),
    ('b_cut.png', cut, r'b_cut\.png cannot be read'),
    ('zz_cut.png', cut, r'zz_cut\.png cannot be read'),
]


@pytest.fixture
def with_unreadable(tmp_path, write_images, picture):
    """A folder of four good images and one that cannot be read."""

    def make(name, damaged):
        images = {f'{letter}.png': picture(40, 40 + at, at) for at, letter in enumerate('aehz')}
        folder = write_images(tmp_path / 'hr', images)
        (folder / name).write_bytes(damaged(encode_png(picture(44, 44, 9))))
        return folder, images

    return make


@pytest.mark.parametrize(('name', 'damaged', 'sentence'), UNREADABLE)
@pytest.mark.parametrize('encoding', ['raw', 'png', 'files'])
def test_an_unreadable_image_is_named_and_left_out_of_both_stores(
    tmp_path, with_unreadable, monkeypatch, name, damaged, sentence, encoding
):
    monkeypatch.setattr(hr_images_module, '_BATCH_IMAGES', 2)
    folder, images = with_unreadable(name, damaged)
    task = Preparation(folder, tmp_path / 'out', 2, lr_window=8, encoding=encoding)
    made = prepare(task)
    (reason,) = made.left_out
    assert re.search(sentence, reason)
    assert made.images == 4
    backend = 'disk' if encoding == 'files' else 'lmdb'
    hr, lr = open_store(made.hr_path, backend), open_store(made.lr_path, backend)
    assert hr.names == lr.names == ['a', 'e', 'h', 'z']
    for position, expected in enumerate(images.values()):
        np.testing.assert_array_equal(hr.image(position), cropped(expected, 2))
        np.testing.assert_array_equal(lr.image(position), degrade(cropped(expected, 2), 2, 'bicubic'))
    assert check_stores([made.hr_path, made.lr_path]) == 4

    before = contents(tmp_path / 'out')
    again = prepare(task)
    assert (again.made, again.images, again.left_out) == (False, 4, made.left_out)
    (folder / name).unlink()
    without = prepare(task)
    assert (without.made, without.images, without.left_out) == (False, 4, [])
    assert contents(tmp_path / 'out') == before


def test_another_degradation_leaves_out_what_its_hr_store_leaves_out(tmp_path, with_unreadable):
    folder, _ = with_unreadable('b_cut.png', cut)
    first = prepare(Preparation(folder, tmp_path / 'out', 2, lr_window=8))
    second = prepare(Preparation(folder, tmp_path / 'out', 2, 'blur-down', lr_window=8))
    assert second.left_out == first.left_out
    assert LMDBStore(second.lr_path).names == LMDBStore(second.hr_path).names == ['a', 'e', 'h', 'z']


def test_an_image_that_can_no_longer_be_read_does_not_make_stores_of_different_images(
    tmp_path, with_unreadable, monkeypatch
):
    folder, _ = with_unreadable('b.png', lambda whole: whole)
    made = prepare(Preparation(folder, tmp_path / 'out', 2, lr_window=8))
    before = contents(made.hr_path)
    read = hr_images_module.read_image

    def failing(path):
        if path.name == 'b.png':
            raise InputError(f'{path} cannot be read (Input/output error).')
        return read(path)

    monkeypatch.setattr(hr_images_module, 'read_image', failing)
    with pytest.raises(InputError, match=r'b\.png cannot be read .*HR_x2\.lmdb holds it: remove that store'):
        prepare(Preparation(folder, tmp_path / 'out', 2, 'blur-down', lr_window=8))
    assert contents(made.hr_path) == before
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['HR_x2.lmdb', 'LR_bicubic_x2.lmdb']


@pytest.mark.parametrize('encoding', ['raw', 'files'])
@pytest.mark.parametrize('stop', range(1, 5))
def test_runs_that_are_interrupted_around_an_unreadable_image_end_with_the_same_bytes(
    tmp_path, with_unreadable, monkeypatch, prepare_interrupted, encoding, stop
):
    monkeypatch.setattr(hr_images_module, '_BATCH_IMAGES', 2)
    folder, _ = with_unreadable('b_cut.png', cut)
    prepare(Preparation(folder, tmp_path / 'whole', 2, lr_window=8, encoding=encoding))
    made = prepare_interrupted(Preparation(folder, tmp_path / 'again', 2, lr_window=8, encoding=encoding), stop)
    assert len(made.left_out) == 1
    assert contents(tmp_path / 'again') == contents(tmp_path / 'whole')


def test_no_image_that_can_be_read_leaves_nothing_behind(tmp_path, write_images, picture):
    folder = tmp_path / 'hr'
    folder.mkdir()
    for name in ('x.png', 'y.png'):
        (folder / name).write_bytes(cut(encode_png(picture(44, 44))))
    with pytest.raises(InputError, match=r'x\.png cannot be read'):
        prepare(Preparation(folder, tmp_path / 'out', 2, lr_window=8))
    assert list((tmp_path / 'out').iterdir()) == []


def test_what_is_not_a_file_is_named_and_left_out(tmp_path, write_images, picture):
    folder = write_images(tmp_path / 'hr', {'fine.png': picture(40, 40)})
    os.mkfifo(folder / 'pipe.png')
    (folder / 'folder.png').mkdir()
    (folder / 'gone.png').symlink_to(folder / 'nowhere.png')
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / 's.png'))
        made = prepare(Preparation(folder, tmp_path / 'out', 2, lr_window=8))
    assert made.images == 1
    names = ['folder.png', 'gone.png', 'pipe.png', 's.png']
    assert [reason.partition(' cannot be read')[0] for reason in made.left_out] == [
        str(folder / name) for name in names
    ]


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


def test_a_part_may_consist_of_small_images(tmp_path, write_images, picture):
    folder = write_images(tmp_path / 'hr', {'a.png': picture(8, 90), 'b.png': picture(50, 40)})
    for number in (1, 2):
        assert prepare(Preparation(folder, tmp_path / 'out', 2, lr_window=20, shard=(number, 2))).images == 1
    assert len(open_store(tmp_path / 'out' / 'LR_bicubic_x2.lmdb', 'lmdb').names) == 2


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
    write_images(folder, {f'{"x" * 240}.png': picture(40, 40)})
    with pytest.raises(InputError, match='is too long for a store: shorten it'):
        prepare(Preparation(folder, tmp_path / 'files', 2, encoding='files'))
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


def test_changed_sources_begin_an_unfinished_store_anew(tmp_path, write_images, hr_images, monkeypatch):
    monkeypatch.setattr(hr_images_module, '_BATCH_IMAGES', 2)
    folder = write_images(tmp_path / 'hr', hr_images)
    read = hr_images_module.read_image

    def stopping(path):
        if path.name == 'd.png':
            raise KeyboardInterrupt
        return read(path)

    monkeypatch.setattr(hr_images_module, 'read_image', stopping)
    with pytest.raises(KeyboardInterrupt):
        prepare(Preparation(folder, tmp_path / 'out', 2, lr_window=12))
    assert (tmp_path / 'out' / '.HR_x2.lmdb.partial').exists()
    assert not (tmp_path / 'out' / 'HR_x2.lmdb').exists()
    monkeypatch.setattr(hr_images_module, 'read_image', read)
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


@pytest.mark.parametrize('encoding', ['raw', 'png', 'files'])
def test_check_finds_a_single_wrong_byte(tmp_path, hr_folder, encoding):
    made = prepare(Preparation(hr_folder, tmp_path, 2, lr_window=12, encoding=encoding))
    assert check_stores([made.hr_path, made.lr_path]) == 5
    victim = made.lr_path / ('c.png' if encoding == 'files' else 'data.mdb')
    value = victim.read_bytes() if encoding == 'files' else bytes(LMDBStore(made.lr_path).value(2))
    middle = len(value) // 2
    wrong = value[:middle] + bytes([value[middle] ^ 1]) + value[middle + 1 :]
    # Everywhere: what LMDB moves from page to page stays behind where it was.
    victim.write_bytes(victim.read_bytes().replace(value, wrong))
    with pytest.raises(InputError, match=r'is damaged: c is missing or not what was written \(1 of 5 images\)'):
        check_stores([made.hr_path, made.lr_path])


def flip(file, at):
    content = bytearray(file.read_bytes())
    content[at] ^= 0x11
    file.write_bytes(content)


@pytest.mark.parametrize('encoding', ['raw', 'png', 'files'])
@pytest.mark.parametrize('part', ['meta_info.txt', 'store.json'])
def test_check_finds_every_wrong_byte_of_listing_and_description(tmp_path, hr_folder, encoding, part):
    made = prepare(Preparation(hr_folder, tmp_path, 2, lr_window=12, encoding=encoding))
    file = made.lr_path / (f'.{part}' if encoding == 'files' else part)
    whole = file.read_bytes()
    for at in range(0, len(whole), 7):
        flip(file, at)
        with pytest.raises(InputError, match=part if at else None):
            check_stores([made.lr_path])
        file.write_bytes(whole)
    assert check_stores([made.lr_path]) == 5


@pytest.mark.parametrize('encoding', ['raw', 'png'])
def test_check_finds_wrong_sizes(tmp_path, hr_folder, encoding):
    made = prepare(Preparation(hr_folder, tmp_path, 2, lr_window=12, encoding=encoding))
    meta = made.lr_path / 'meta_info.txt'
    text = meta.read_text()
    meta.write_text(text.replace('a.png (23,45,3)', 'a.png (45,23,3)'))
    assert meta.read_text() != text
    with pytest.raises(InputError, match=r'is damaged: meta_info\.txt is not what was written; remove the store'):
        check_stores([made.hr_path, made.lr_path])
    # Even if somebody writes all digests anew.
    if encoding == 'raw':
        meta.write_text(text.replace('a.png (23,45,3)', 'a.png (23,44,3)'))
        description = read_description(made.lr_path / 'store.json')
        replace(description, listing=digest_of(meta.read_bytes())).write(made.lr_path / 'store.json')
        with pytest.raises(InputError, match=r'is damaged: a is missing or not what was written \(1 of 5 images\)'):
            check_stores([made.lr_path])


def test_check_finds_every_wrong_byte_of_the_index(tmp_path, hr_folder):
    made = prepare(Preparation(hr_folder, tmp_path, 2, lr_window=12))
    length = made.index.path.stat().st_size
    for at in (*range(0, length, length // 60), length - 1):
        flip(made.index.path, at)
        with pytest.raises(
            InputError, match=rf'{made.index.path.name} .*: remove it, and bsr pic or training builds it'
        ):
            check_stores([made.hr_path, made.lr_path])
        flip(made.index.path, at)
    assert check_stores([made.hr_path, made.lr_path]) == 5


def test_check_finds_a_file_too_many_and_one_too_few(tmp_path, hr_folder):
    made = prepare(Preparation(hr_folder, tmp_path, 2, encoding='files'))
    shutil.copy(made.lr_path / 'b.png', made.lr_path / 'new.png')
    with pytest.raises(InputError, match='new is missing or not what was written'):
        check_stores([made.hr_path, made.lr_path])
    (made.lr_path / 'new.png').unlink()
    (made.lr_path / 'b.png').unlink()
    with pytest.raises(InputError, match='b is missing or not what was written'):
        check_stores([made.hr_path, made.lr_path])
    with pytest.raises(InputError, match=r'LR_bicubic_x2 lacks b\.png: remove the folder, and make it again'):
        prepare(Preparation(hr_folder, tmp_path, 2, encoding='files'))


def test_check_compares_the_images_of_stores(tmp_path, hr_folder, write_images, hr_images):
    other = write_images(tmp_path / 'other', {name: pixels for name, pixels in hr_images.items() if name != 'c.png'})
    made = prepare(Preparation(hr_folder, tmp_path / '1', 2, lr_window=12))
    fewer = prepare(Preparation(other, tmp_path / '2', 2, lr_window=12))
    with pytest.raises(InputError, match='hold different images'):
        check_stores([made.hr_path, fewer.lr_path])


def test_check_needs_digests(tmp_path, hr_folder):
    with pytest.raises(InputError, match='has no digests, so it cannot be checked'):
        check_stores([hr_folder])
    with pytest.raises(InputError, match='absent does not exist'):
        check_stores([tmp_path / 'absent'])


def test_check_covers_all_parts(tmp_path, hr_folder):
    for number in (1, 2):
        prepare(Preparation(hr_folder, tmp_path, 2, lr_window=12, shard=(number, 2)))
    assert check_stores([tmp_path / 'HR_x2.lmdb']) == 5


def test_a_task_is_not_changed_by_running_it(tmp_path, hr_folder):
    task = Preparation(hr_folder, tmp_path, 2, lr_window=12)
    before = copy.deepcopy(task)
    prepare(task)
    assert task == before
    assert isinstance(open_store(hr_folder, 'disk'), FolderStore)


def test_bytes_do_not_depend_on_the_number_of_threads(tmp_path, hr_folder, monkeypatch):
    written = []
    for workers in (1, 4):
        monkeypatch.setattr(parallel, 'available_cores', lambda workers=workers: workers)
        prepare(Preparation(hr_folder, tmp_path / f'{workers}', 2, lr_window=12))
        written.append(contents(tmp_path / f'{workers}'))
    assert written[0] == written[1]
    assert len(written[0]) == 7
