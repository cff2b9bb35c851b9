"""Scores of LR pixels, and the data set drawing by them: residual and maps against computations of their own."""

import shutil

import cv2
import numpy as np
import pytest
import torch
from basicsr.data import build_dataset

from bsr_plugin.data.dataset_options import RFSOptions
from bsr_plugin.data.degradation import degrade, imresize_float
from bsr_plugin.data.pairs import PairedStores
from bsr_plugin.data.pic_index_store import open_or_build_index
from bsr_plugin.data.score_maps import GradientMaps, maps_of
from bsr_plugin.errors import InputError
from bsr_plugin.pic.index import PICIndex
from bsr_plugin.pic.intervals import IntervalRule
from bsr_plugin.pic.measure import gradient_map

WINDOW, SCALE = 12, 2
RULE = IntervalRule(bins=4)


@pytest.fixture
def pairs(options):
    return PairedStores.open(RFSOptions.of(options()))


def residual_by_hand(lr, hr):
    """Per HR pixel the largest difference of a channel from MATLAB's bicubic image, summed over blocks of 2 x 2."""
    rows = np.floor(np.clip(imresize_float(lr.astype(float), hr.shape[0], lr.shape[1]), 0, 255) + 0.5)
    bicubic = np.floor(np.clip(imresize_float(rows, *hr.shape[:2]), 0, 255) + 0.5)
    wrong = np.abs(hr.astype(int) - bicubic).max(axis=2)
    return wrong[::2, ::2] + wrong[1::2, ::2] + wrong[::2, 1::2] + wrong[1::2, 1::2]


def window_means(values, window=WINDOW):
    """Sums of all windows in raster order."""
    return np.lib.stride_tricks.sliding_window_view(values, (window, window)).sum(axis=(2, 3)).ravel()


def test_residual_is_what_bicubic_interpolation_gets_wrong(pairs):
    maps = maps_of('residual', pairs, 'max')
    for position in range(5):
        expected = residual_by_hand(pairs.lr_image(position), pairs.hr_image(position))
        found = maps.map(position)
        np.testing.assert_array_equal(found, expected)
        assert found.shape == tuple(maps.sizes[position])
        assert found.max() <= maps.largest == 255 * 4
    assert expected.max() > 20


def test_the_largest_residual_is_reached(tmp_path, write_images):
    # Pixels far from what their LR image says: black where it is white.
    hr = write_images(tmp_path / 'hr', {'a.png': np.zeros((12, 12, 3), np.uint8)})
    lr = write_images(tmp_path / 'lr', {'a.png': np.full((4, 4, 3), 255, np.uint8)})
    opt = {'dataroot_gt': str(hr), 'dataroot_lq': str(lr), 'io_backend': {'type': 'disk'}, 'scale': 3}
    maps = maps_of('residual', PairedStores.open(RFSOptions.of(opt)), 'max')
    assert maps.map(0).tolist() == [[maps.largest] * 4] * 4 == [[255 * 9] * 4] * 4


@pytest.mark.parametrize('score', [None, 'gradient'])
def test_gradient_is_the_pic(pairs, score):
    maps = maps_of(score, pairs, 'sum')
    assert isinstance(maps, GradientMaps)
    np.testing.assert_array_equal(maps.map(1), gradient_map(pairs.lr_image(1), 'sum'))
    assert (maps.largest, maps_of(score, pairs, 'max').largest) == (6120, 2040)


@pytest.fixture
def map_folder(tmp_path, pairs, write_images):
    """Maps of 16 bits with values up to the largest, different for every pixel."""
    rng = np.random.default_rng(3)
    made = {
        f'{n}.png': rng.integers(0, 65536, size).astype(np.uint16)
        for n, size in zip(pairs.lr.names, pairs.lr.sizes, strict=True)
    }
    made['a.png'][:] = 65535
    return write_images(tmp_path / 'maps', made)


@pytest.mark.parametrize('spacing', ['width', 'quantile'])
@pytest.mark.parametrize('score', ['residual', 'maps'])
def test_windows_are_sorted_by_the_score(options, pairs, map_folder, score, spacing):
    name = 'residual' if score == 'residual' else str(map_folder)
    dataset = build_dataset(options(pic_score=name, pic_spacing=spacing, num_candidates='all'))
    index = dataset.index
    assert index.key['score'] == score
    maps = maps_of(name, pairs, 'max')
    sums = [window_means(maps.map(position).astype(np.int64)) for position in range(4)]
    if score == 'maps':
        assert sums[0].max() == 65535 * WINDOW**2
    # Edges are means over LR pixels, of residuals over HR pixels.
    inner = np.array(index.edges[1:-1]) * WINDOW**2 * (4 if score == 'residual' else 1)
    for position, values in enumerate(sums):
        codes = index.intervals_at(np.full(values.size, position), np.arange(values.size))
        # Beside the edges themselves, where rounding decides.
        sure = np.abs(values[:, None] - inner).min(axis=1) > 1e-6
        assert (codes == np.digitize(values, inner))[sure].all()
        assert sure.mean() > 0.9
    if spacing == 'quantile' and score == 'residual':
        counts = index.counts.sum(axis=0)
        assert np.abs(counts / counts.sum() - 0.25).max() < 0.01


def test_pic_stays_the_pic_and_the_interval_is_of_the_score(options, pairs):
    dataset = build_dataset(options(pic_score='residual', use_rot=False, use_hflip=False, num_candidates='all'))
    plain = build_dataset(options())
    assert dataset.index.path != plain.index.path
    inner = np.array(dataset.index.edges[1:-1])
    differ = 0
    for sample in (one for k in range(10) for one in dataset.__getitems__(list(range(8 * k, 8 * k + 8)))):
        lq, gt = (
            np.rint(sample[key].numpy() * 255).astype(np.uint8).transpose(1, 2, 0)[..., ::-1] for key in ('lq', 'gt')
        )
        position = pairs.lr.names.index(sample['lq_path'][-5])
        place = cv2.matchTemplate(pairs.lr_image(position), np.ascontiguousarray(lq), cv2.TM_SQDIFF)
        y, x = np.unravel_index(place.argmin(), place.shape)
        cut = np.s_[y : y + WINDOW, x : x + WINDOW]
        np.testing.assert_array_equal(gt, pairs.hr_image(position)[2 * y : 2 * (y + WINDOW), 2 * x : 2 * (x + WINDOW)])
        residual = residual_by_hand(pairs.lr_image(position), pairs.hr_image(position))[cut].mean()
        assert sample['pic'] == pytest.approx(gradient_map(pairs.lr_image(position))[cut].mean())
        assert sample['pic_bin'] == np.searchsorted(inner, residual / 4, 'right')
        differ += sample['pic_bin'] != np.searchsorted(plain.index.edges[1:-1], sample['pic'], 'right')
    assert differ > 5  # or the two scores would be one


def test_scores_have_indexes_of_their_own(pairs, map_folder):
    def path(score):
        return open_or_build_index(pairs.lr, WINDOW, 'max', RULE, maps_of(score, pairs, 'max')).path

    plain, residual, first = (path(score) for score in ('gradient', 'residual', str(map_folder)))
    assert plain == open_or_build_index(pairs.lr, WINDOW, 'max', RULE).path
    assert len({plain, residual, first}) == 3
    # The channel rule is one of gradients.
    assert open_or_build_index(pairs.lr, WINDOW, 'sum', RULE, maps_of('residual', pairs, 'sum')).path == residual
    # A folder of maps has one file, however often the maps change; another folder has another.
    other = map_folder.rename(map_folder.with_name('others'))
    shutil.copytree(other, map_folder)
    assert path(str(other)) not in (plain, residual, first)
    before = PICIndex(first).counts[1].tolist()
    image = cv2.imread(str(map_folder / 'b.png'), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(map_folder / 'b.png'), image[:, ::-1] // 2)
    assert path(str(map_folder)) == first
    assert PICIndex(first).counts[1].tolist() != before


def test_maps_of_8_bits(tmp_path, pairs, write_images):
    images = {
        f'{n}.png': np.full(size, 3 + at, np.uint8)
        for at, (n, size) in enumerate(zip(pairs.lr.names, pairs.lr.sizes, strict=True))
    }
    folder = write_images(tmp_path / 'maps', images)
    index = open_or_build_index(
        pairs.lr, WINDOW, 'max', IntervalRule(edges=(0, 4, 6, 9)), maps_of(str(folder), pairs, 'max')
    )
    assert [row.nonzero()[0].tolist() for row in index.counts] == [[0], [1], [1], [2], []]


@pytest.mark.parametrize(
    ('change', 'sentence'),
    [
        (
            lambda folder: (folder / 'c.png').unlink(),
            r'maps has no map c\.png for the image of that name in .*LR_bicubic',
        ),
        (lambda folder: cv2.imwrite(str(folder / 'c.png'), np.zeros((9, 9), np.uint8)), r'c\.png is 9x9, its LR image'),
        (lambda folder: cv2.imwrite(str(folder / 'c.png'), np.zeros((9, 9, 3), np.uint8)), r'c\.png is not a grey PNG'),
        (lambda folder: (folder / 'c.png').write_bytes(b'none'), r'c\.png is not a grey PNG of 8 or 16 bits: convert'),
        (lambda folder: (folder / 'c.png').write_bytes(b''), r'c\.png is not a grey PNG'),
    ],
)
def test_bad_maps_get_a_sentence(options, map_folder, change, sentence):
    change(map_folder)
    with pytest.raises(InputError, match=sentence):
        build_dataset(options(pic_score=str(map_folder)))


def test_a_read_only_store_names_the_command_for_the_score(pairs, map_folder, monkeypatch):
    monkeypatch.setattr('os.access', lambda *_: False)
    for score, words in (
        ('residual', f'--score residual --hr {pairs.hr.path}'),
        (str(map_folder), f'--score {map_folder}'),
    ):
        with pytest.raises(InputError, match=f'--lr-window 11 --pic-bins 4 {words}" where it can'):
            open_or_build_index(pairs.lr, 11, 'max', RULE, maps_of(score, pairs, 'max'))


def test_batches_by_residual_are_a_pure_function(options):
    first, second = (build_dataset(options(pic_score='residual')).__getitems__([8, 9, 10, 11]) for _ in range(2))
    assert all(torch.equal(one['gt'], other['gt']) for one, other in zip(first, second, strict=True))


def test_of_an_interpolated_image_nothing_is_left(tmp_path, write_images):
    small = degrade(np.random.default_rng(0).integers(0, 256, (24, 24, 3)).astype(np.uint8), 2, 'bicubic')
    from bsr_plugin.data.degradation import imresize

    hr = write_images(tmp_path / 'hr', {'a.png': imresize(small, 24, 24)})
    lr = write_images(tmp_path / 'lr', {'a.png': small})
    opt = {'dataroot_gt': str(hr), 'dataroot_lq': str(lr), 'io_backend': {'type': 'disk'}, 'scale': 2}
    assert not maps_of('residual', PairedStores.open(RFSOptions.of(opt)), 'max').map(0).any()
