import multiprocessing
import os
import shlex
import shutil
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from bsr_plugin.cli import main
from bsr_plugin.data import pic_index_store
from bsr_plugin.data.guarded_paired_image_dataset import GuardedPairedImageDataset
from bsr_plugin.data.image_file import encode_png
from bsr_plugin.data.pic_index_store import index_path, open_or_build_index
from bsr_plugin.data.prepare import Preparation, prepare
from bsr_plugin.data.rfs_paired_image_dataset import RFSPairedImageDataset
from bsr_plugin.data.store import LMDBStore, open_store
from bsr_plugin.errors import InputError
from bsr_plugin.pic.index import IndexKey, PICIndex
from bsr_plugin.pic.intervals import IntervalRule
from bsr_plugin.pic.measure import gradient_map, window_sums

RULE = IntervalRule(bins=4)


@pytest.fixture
def lr(stores, tmp_path):
    """A copy of the LR store without its index."""
    path = shutil.copytree(stores.lr_path, tmp_path / 'LR.lmdb')
    for index in path.glob('*.idx'):
        index.unlink()
    return LMDBStore(path)


def indexes(store):
    return sorted(path.name for path in store.path.iterdir() if path.suffix == '.idx')


def test_it_is_built_once(lr, monkeypatch):
    built = open_or_build_index(lr, 12, 'max', RULE)
    assert indexes(lr) == [built.path.name]
    stamp = built.path.stat().st_mtime_ns
    assert open_or_build_index(LMDBStore(lr.path), 12, 'max', RULE).path.stat().st_mtime_ns == stamp
    monkeypatch.setattr(pic_index_store, 'build_index', None)
    assert open_or_build_index(LMDBStore(lr.path), 12, 'max', RULE).path == built.path


def test_other_windows_rules_and_intervals_lie_side_by_side(lr):
    wanted = [
        (12, 'max', RULE),
        (11, 'max', RULE),
        (12, 'sum', RULE),
        (12, 'max', IntervalRule(bins=5)),
        (12, 'max', IntervalRule(bins=4, quantile=0.9)),
        (12, 'max', IntervalRule(edges=(0, 10, 20, 30, 40))),
        (12, 'max', IntervalRule(edges=(0, 10, 20, 30, 41))),
    ]
    paths = [open_or_build_index(lr, *one).path for one in wanted]
    assert len(set(paths)) == len(wanted)
    assert sorted(path.name for path in paths) == indexes(lr)
    for (window, channels, rule), path in zip(wanted, paths, strict=True):
        index = PICIndex(path)
        assert (index.window, index.channels, index.bins) == (window, channels, rule.bins)


def test_an_index_made_for_another_patch_size_is_not_used(lr):
    twelve = open_or_build_index(lr, 12, 'max', RULE)
    place = index_path(lr, IndexKey(9, 'max', RULE, lr.digest))
    shutil.copy(twelve.path, place)
    nine = open_or_build_index(lr, 9, 'max', RULE)
    assert nine.path == place
    assert nine.window == 9
    assert nine.grid.tolist() == np.maximum(lr.sizes - 8, 0).tolist()


def test_a_stale_index_is_made_anew(lr, stores, tmp_path):
    before = open_or_build_index(lr, 12, 'max', RULE)
    other = shutil.copytree(stores.hr_path, tmp_path / 'other.lmdb')
    shutil.copy(before.path, other)
    store = LMDBStore(other)
    index = open_or_build_index(store, 12, 'max', RULE)
    assert index.path.name == before.path.name
    assert index.key['digest'] == store.digest != before.key['digest']
    assert index.counts.sum(axis=1).tolist() == [window_sums(gradient_map(store.image(at)), 12).size for at in range(5)]


@pytest.mark.parametrize('damage', ['cut', 'empty', 'text', 'version', 'header', 'longer'])
def test_a_damaged_index_is_made_anew(lr, damage):
    path = open_or_build_index(lr, 12, 'max', RULE).path
    whole = path.read_bytes()
    broken = {
        'cut': whole[:-1],
        'empty': b'',
        'text': b'no index' * 5000,
        'version': b'BSRPIC0\n' + whole[8:],
        'longer': whole + b'?',
        'header': whole[:60] + bytes([whole[60] ^ 1]) + whole[61:],
    }[damage]
    path.write_bytes(broken)
    assert open_or_build_index(lr, 12, 'max', RULE).counts.sum() > 0
    assert path.read_bytes() == whole


@pytest.mark.parametrize('state', ['missing', 'damaged', 'stale'])
def test_a_read_only_store_names_the_command(lr, stores, monkeypatch, state):
    if state == 'damaged':
        index_path(lr, IndexKey(12, 'max', RULE, lr.digest)).write_bytes(b'')
    if state == 'stale':
        shutil.copy(stores.index.path, lr.path)
        lr.digest = 'of other images'
    monkeypatch.setattr(os, 'access', lambda path, mode: mode != os.W_OK)
    with pytest.raises(InputError, match='has no PIC index for a window of 12 pixels') as error:
        open_or_build_index(lr, 12, 'max', RULE)
    assert f'run "bsr pic {lr.path} --lr-window 12 --pic-bins 4" where it can' in str(error.value)


@pytest.mark.parametrize('name', ['LR.lmdb', 'low resolution (x2)', 'parts'])
@pytest.mark.parametrize(
    'options',
    [
        {},
        {'pic_bins': 8},
        {'pic_quantile': 0.95, 'pic_channels': 'sum'},
        {'pic_spacing': 'quantile', 'pic_bins': 5},
        {'pic_edges': [0, 7.25, 1 / 3 + 20]},
        {'pic_edges': [0, 10, 20], 'pic_bins': 2},
        {'pic_score': 'residual', 'pic_bins': 6},
        {'pic_score': 'maps of errors'},
    ],
)
def test_the_command_that_is_named_makes_the_index_that_is_missing(
    stores, hr_folder, tmp_path, monkeypatch, capsys, name, options
):
    monkeypatch.chdir(tmp_path)
    hr, lr = (Path(f'{side} {name}') for side in ('HR', 'LR'))
    if name == 'parts':
        for number in (1, 2):
            prepare(Preparation(hr_folder, Path('the parts'), 2, lr_window=12, shard=(number, 2)))
        hr, lr = Path('the parts/HR_x2.lmdb'), Path('the parts/LR_bicubic_x2.lmdb')
    else:
        for path, made in ((hr, stores.hr_path), (lr, stores.lr_path)):
            shutil.copytree(made, path, ignore=shutil.ignore_patterns('*.idx'))
    Path('maps of errors').mkdir()
    for key, size in zip(LMDBStore(stores.lr_path).names, LMDBStore(stores.lr_path).sizes, strict=True):
        Path(f'maps of errors/{key}.png').write_bytes(encode_png(np.full(size, 9, np.uint8)))
    opt = {'name': 'T', 'phase': 'train', 'scale': 2, 'gt_size': 24, 'io_backend': {'type': 'lmdb'}, **options}
    opt |= {'dataroot_gt': str(hr), 'dataroot_lq': str(lr)}

    with monkeypatch.context() as read_only:
        read_only.setattr(os, 'access', lambda path, mode: mode != os.W_OK)
        with pytest.raises(InputError) as error:
            RFSPairedImageDataset(opt)
    program, *words = shlex.split(str(error.value).split('"')[1])
    assert (program, main(words)) == ('bsr', 0), capsys.readouterr().err
    monkeypatch.setattr(os, 'access', lambda path, mode: mode != os.W_OK)
    assert RFSPairedImageDataset(opt).index.window == 12


def test_a_read_only_store_with_an_index_is_fine(stores, monkeypatch):
    monkeypatch.setattr(os, 'access', lambda path, mode: mode != os.W_OK)
    assert open_or_build_index(LMDBStore(stores.lr_path), 12, 'max', RULE).path == stores.index.path


def test_in_a_folder_it_is_hidden_from_the_toolbox(hr_folder, tmp_path):
    folder = shutil.copytree(hr_folder, tmp_path / 'images')
    index = open_or_build_index(open_store(folder, 'disk'), 12, 'max', RULE)
    assert index.path.parent == folder
    assert index.path.name.startswith('.')
    again = open_store(folder, 'disk')
    assert again.names == ['a', 'b', 'c', 'd', 'e']
    assert open_or_build_index(again, 12, 'max', RULE).key == index.key


def test_in_joined_folders_it_is_hidden_from_the_toolbox(hr_folder, tmp_path):
    for number in (1, 2):
        prepare(Preparation(hr_folder, tmp_path, 2, encoding='files', shard=(number, 2)))
    index = open_or_build_index(open_store(tmp_path / 'LR_bicubic_x2', 'disk'), 12, 'max', RULE)
    assert index.path.name.startswith('.')
    part = tmp_path / 'LR_bicubic_x2.part1of2'
    assert index.path.parent == part
    opt = {'name': 'T', 'phase': 'test', 'scale': 2, 'io_backend': {'type': 'disk'}, 'dataroot_lq': str(part)}
    assert len(GuardedPairedImageDataset(opt | {'dataroot_gt': str(tmp_path / 'HR_x2.part1of2')})) == 3


@pytest.mark.parametrize('name', ['a', 'e'])
def test_other_pixels_of_the_same_size_and_time_are_noticed(hr_folder, tmp_path, name):
    folder = tmp_path / 'images'
    folder.mkdir()
    for file in hr_folder.iterdir():
        cv2.imwrite(str(folder / f'{file.stem}.bmp'), cv2.imread(str(file)))
    before = open_or_build_index(open_store(folder, 'disk'), 12, 'max', RULE)
    changed = folder / f'{name}.bmp'
    size, stamp, image = changed.stat().st_size, changed.stat().st_mtime_ns, cv2.imread(str(changed))
    cv2.imwrite(str(changed), image[:, ::-1])
    os.utime(changed, ns=(stamp, stamp))
    assert changed.stat().st_size == size
    store = open_store(folder, 'disk')
    index = open_or_build_index(store, 12, 'max', RULE)
    assert (index.path, index.key) == (before.path, before.key)
    sums = window_sums(gradient_map(store.image('abcde'.index(name))), 12).ravel()
    codes = np.searchsorted(index.thresholds, sums, 'right')
    position = np.full(sums.size, 'abcde'.index(name))
    assert index.intervals_at(position, np.arange(sums.size)).tolist() == codes.tolist()
    assert before.intervals_at(position, np.arange(sums.size)).tolist() != codes.tolist()


def test_parts_have_one_index_together(hr_folder, stores, tmp_path):
    for number in (1, 2, 3):
        made = prepare(Preparation(hr_folder, tmp_path, 2, lr_window=12, shard=(number, 3)))
        assert made.index is None
    joined = open_store(tmp_path / 'LR_bicubic_x2.lmdb', 'lmdb')
    index = open_or_build_index(joined, 12, 'max', RULE)
    assert index.path.parent == joined.parts[0].path
    order = [joined.names.index(name) for name in 'abcde']
    assert index.counts[order].tolist() == stores.index.counts.tolist()
    assert index.edges.tolist() == stores.index.edges.tolist()
    # The first part alone is another store.
    alone = open_or_build_index(joined.parts[0], 12, 'max', RULE)
    assert alone.path != index.path


def test_no_image_large_enough_names_the_sizes(lr):
    with pytest.raises(InputError, match='the window is 99 LR pixels and the largest LR image'):
        open_or_build_index(lr, 99, 'max', RULE)
    assert indexes(lr) == []


def build_together(path, barrier, log, building):
    """One of several processes that open an index which is not there; says in ``log`` when it builds."""
    stock = pic_index_store.build_index

    def building_and_telling(*words):
        with log.open('a') as file:
            file.write(f'{os.getpid()}\n')
        building.set()
        time.sleep(0.3)
        return stock(*words)

    pic_index_store.build_index = building_and_telling
    store = LMDBStore(path)
    barrier.wait(60)
    assert open_or_build_index(store, 12, 'max', RULE).counts.sum() > 0


def processes_on(path, number, log):
    context = multiprocessing.get_context('fork')
    barrier, building = context.Barrier(number), context.Event()
    return [
        context.Process(target=build_together, args=(path, barrier, log, building)) for _ in range(number)
    ], building


def test_of_many_processes_one_builds_and_the_others_wait(lr, tmp_path):
    processes, _ = processes_on(lr.path, 4, tmp_path / 'log')
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        process.kill()
    assert [process.exitcode for process in processes] == [0] * 4
    assert len((tmp_path / 'log').read_text().splitlines()) == 1
    assert sorted(path.name for path in lr.path.iterdir())[1:] == sorted(['meta_info.txt', *indexes(lr), 'store.json'])


def test_a_builder_that_is_killed_keeps_nobody_waiting(lr, tmp_path):
    (process,), building = processes_on(lr.path, 1, tmp_path / 'log')
    process.start()
    assert building.wait(60)
    process.kill()
    process.join(60)
    assert indexes(lr) == []
    index = open_or_build_index(LMDBStore(lr.path), 12, 'max', RULE)
    assert indexes(lr) == [index.path.name]
    assert not list(lr.path.glob('.*'))


def test_the_lock_of_a_builder_that_is_killed_when_the_index_is_there_is_taken_away(lr):
    path = open_or_build_index(lr, 12, 'max', RULE).path
    lock = path.with_name(f'.{path.name}.lock')
    lock.touch()
    assert open_or_build_index(lr, 12, 'max', RULE).path == path
    assert not lock.exists()
