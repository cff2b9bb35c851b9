"""What ``prepare`` makes of a folder of images."""

import copy

import numpy as np
import pytest
from basicsr.data.paired_image_dataset import PairedImageDataset
from cropping import cropped
from folders import contents
from hypothesis import given
from hypothesis import strategies as st

from bsr_plugin import parallel
from bsr_plugin.data import hr_images as hr_images_module
from bsr_plugin.data.degradation import degrade
from bsr_plugin.data.prepare import Preparation, prepare
from bsr_plugin.data.store import FolderStore, LMDBStore, open_store
from bsr_plugin.pic.intervals import IntervalRule
from bsr_plugin.pic.measure import gradient_map, window_sums

ODD_NAMES = ['a.b.c', 'with blank', 'Ünïcödé', '写真', '50% (1)', 'a', 'a.b']


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
    assert stores.index.path.parent == stores.lr_path
    assert not [*stores.hr_path.glob('*.idx')]
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


def test_a_part_may_consist_of_small_images(tmp_path, write_images, picture):
    folder = write_images(tmp_path / 'hr', {'a.png': picture(8, 90), 'b.png': picture(50, 40)})
    for number in (1, 2):
        assert prepare(Preparation(folder, tmp_path / 'out', 2, lr_window=20, shard=(number, 2))).images == 1
    assert len(open_store(tmp_path / 'out' / 'LR_bicubic_x2.lmdb', 'lmdb').names) == 2


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
