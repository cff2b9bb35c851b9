import copy
import pickle
import re
from collections import Counter

import cv2
import numpy as np
import pytest
import torch
from basicsr.data import build_dataset
from basicsr.utils.lmdb_util import make_lmdb_from_imgs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare
from torch.utils.data import default_collate

from bsr_plugin.data.degradation import degrade
from bsr_plugin.data.prepare import Preparation, prepare
from bsr_plugin.errors import InputError

WINDOW, SCALE = 12, 2


@pytest.fixture(scope='module')
def pairs(hr_images):
    """(LR, HR) of every name, computed from the sources."""
    hr = {name[:-4]: image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2] for name, image in hr_images.items()}
    return {name: (degrade(image, 2, 'bicubic'), image) for name, image in hr.items()}


def pixels(tensor):
    """A float tensor of a sample as (H, W, 3) BGR uint8; its values are exactly those of 8 bits."""
    assert tensor.dtype == torch.float32
    levels = tensor.numpy() * np.float32(255)
    assert np.abs(levels - np.rint(levels)).max() < 1e-4
    assert tensor.min() >= 0
    assert tensor.max() <= 1
    return np.rint(levels).astype(np.uint8).transpose(1, 2, 0)[..., ::-1]


def symmetries(patch):
    """The patch turned and mirrored in all eight ways, by number."""
    return [np.rot90(one, turns) for one in (patch, patch[:, ::-1]) for turns in range(4)]


def place_of(patch, image):
    """Where a patch lies in an image, or None."""
    side = patch.shape[0]
    if min(image.shape[:2]) < side:
        return None
    differences = cv2.matchTemplate(image, np.ascontiguousarray(patch), cv2.TM_SQDIFF)
    row, column = np.unravel_index(differences.argmin(), differences.shape)
    same = np.array_equal(image[row : row + side, column : column + side], patch)
    return (int(row), int(column)) if same else None


def undone(lq, lr):
    """How a patch was augmented and where it lies, by trying everything."""
    found = [(way, place_of(patch, lr)) for way, patch in enumerate(symmetries(lq))]
    ((way, place),) = [(way, place) for way, place in found if place is not None]
    return way, place


def mean_gradient(image, row, column):
    """Mean over the window of the largest |Gx| + |Gy| of the channels, from padded differences."""
    padded = np.pad(image.astype(int), ((1, 1), (1, 1), (0, 0)), mode='reflect')
    smooth_rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    smooth_columns = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    gradient = abs(smooth_rows[:, 2:] - smooth_rows[:, :-2]) + abs(smooth_columns[2:] - smooth_columns[:-2])
    return gradient.max(axis=2)[row : row + WINDOW, column : column + WINDOW].mean()


def samples(opt, batches, size):
    dataset = build_dataset(opt)
    return dataset, [
        sample for k in range(batches) for sample in dataset.__getitems__(list(range(k * size, (k + 1) * size)))
    ]


@pytest.mark.parametrize('sampling', ['rfs', 'uniform', 'importance', 'band', 'rejection'])
def test_patches_are_the_right_pixels(options, pairs, sampling):
    weighted = sampling == 'importance'
    dataset, drawn = samples(options(sampling=sampling, num_candidates='all' if weighted else 5), 8, 8)
    assert len(dataset) == 5
    ways = Counter()
    for sample in drawn:
        assert set(sample) == {'lq', 'gt', 'lq_path', 'gt_path', 'pic', 'pic_bin'} | (
            {'pic_weight'} if weighted else set()
        )
        assert sample['lq'].shape == (3, WINDOW, WINDOW)
        assert sample['gt'].shape == (3, WINDOW * SCALE, WINDOW * SCALE)
        name = re.fullmatch(r'.*LR_bicubic_x2\.lmdb/(.)\.png', sample['lq_path'])[1]
        assert sample['gt_path'].endswith(f'HR_x2.lmdb/{name}.png')
        lr, hr = pairs[name]
        lq, gt = pixels(sample['lq']), pixels(sample['gt'])
        way, (row, column) = undone(lq, lr)
        ways[way] += 1
        np.testing.assert_array_equal(
            symmetries(gt)[way],
            hr[row * SCALE : (row + WINDOW) * SCALE, column * SCALE : (column + WINDOW) * SCALE],
        )
        assert isinstance(sample['pic'], float)
        assert sample['pic'] == pytest.approx(mean_gradient(lr, row, column), rel=1e-12)
        assert sample['pic_bin'] == min(int(np.searchsorted(dataset.index.edges, sample['pic'], 'right')) - 1, 3)
    assert len(ways) == 8


@pytest.mark.parametrize(
    ('use_rot', 'use_hflip', 'allowed'), [(True, True, 8), (True, False, 4), (False, True, 2), (False, False, 1)]
)
def test_augmentations_are_equally_likely(options, pairs, use_rot, use_hflip, allowed):
    _, drawn = samples(options(use_rot=use_rot, use_hflip=use_hflip), 25, 8)
    ways = Counter(undone(pixels(one['lq']), pairs[one['lq_path'][-5]][0])[0] for one in drawn)
    # Ways 0 to 3 are turns, 4 to 7 turns of the mirror image.
    expected = {(True, True): range(8), (True, False): range(4), (False, True): (0, 4), (False, False): (0,)}
    assert sorted(ways) == list(expected[use_rot, use_hflip])
    assert len(ways) == allowed
    if allowed > 1:
        assert chisquare(list(ways.values())).pvalue > 1e-3


def test_augmentations_are_on_by_default(options):
    with_both = samples(options(), 4, 4)[1]
    default = samples(options(use_rot=None, use_hflip=None), 4, 4)[1]
    for one, other in zip(with_both, default, strict=True):
        assert torch.equal(one['gt'], other['gt'])


def test_uint8(options):
    floats, integers = (samples(options(uint8=flag), 2, 4)[1] for flag in (False, True))
    for one, other in zip(floats, integers, strict=True):
        for key in ('lq', 'gt'):
            assert other[key].integers.dtype == torch.uint8
            assert torch.equal(one[key], other[key].integers.float() / 255)
            assert torch.equal(one[key], other[key].to('cpu'))


@pytest.fixture(scope='module')
def set_of_each_sampling(stores):
    """A data set for each way of sampling, which all examples share: whatever it keeps must not show."""
    opt = {'name': 'Toy', 'type': 'RFSPairedImageDataset', 'phase': 'train', 'scale': 2, 'gt_size': 24, 'pic_bins': 4}
    opt |= {'dataroot_gt': str(stores.hr_path), 'dataroot_lq': str(stores.lr_path), 'io_backend': {'type': 'lmdb'}}
    kinds = {'rfs': 3, 'uniform': 3, 'importance': 'all', 'band': 3, 'rejection': 3}
    sets = {
        kind: build_dataset({**opt, 'sampling': kind, 'num_candidates': candidates, 'seed': 7})
        for kind, candidates in kinds.items()
    }
    sets['importance'].importance.use(np.array([1.0, 2.0, 3.0, 4.0]))
    return sets


@given(
    st.sampled_from(['rfs', 'uniform', 'importance', 'band', 'rejection']),
    st.integers(1, 6),
    st.permutations(range(4)),
    st.integers(0, 10**6),
)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_batch_depends_on_its_numbers_alone(set_of_each_sampling, as_text, kind, size, order, first):
    # In any order, by the data set or by what a worker gets of it, a batch is the one that is drawn first.
    dataset = set_of_each_sampling[kind]
    batches = [list(range((first + k) * size, (first + k + 1) * size)) for k in range(4)]
    expected = [as_text(default_collate(copy.deepcopy(dataset).__getitems__(numbers))) for numbers in batches]
    worker = pickle.loads(pickle.dumps(dataset))
    for k in order:
        assert as_text(default_collate(dataset.__getitems__(batches[k]))) == expected[k]
        assert as_text(default_collate(worker.__getitems__(batches[k]))) == expected[k]
    assert len(set(expected)) == 4


def test_a_single_item_is_a_batch_of_one(options):
    dataset = build_dataset(options())
    (expected,) = dataset.__getitems__([5])
    found = dataset[5]
    assert torch.equal(found['lq'], expected['lq'])
    assert found['gt_path'] == expected['gt_path']


def test_explicit_edges_and_the_sum_of_channels(options):
    dataset, drawn = samples(options(pic_bins=None, pic_edges=[0, 90, 200, 900], pic_channels='sum'), 4, 6)
    assert dataset.index.edges.tolist() == [0, 90, 200, 900]
    assert dataset.index.channels == 'sum'
    assert Counter(sample['pic_bin'] for sample in drawn) == {0: 8, 1: 8, 2: 8}
    for sample in drawn:
        assert sample['pic_bin'] == np.searchsorted([90, 200], sample['pic'], 'right')


def test_candidates_bound_the_images_of_a_batch(options):
    dataset = build_dataset(options(num_candidates=1, sampling='uniform'))
    for k in range(6):
        assert len({sample['lq_path'] for sample in dataset.__getitems__(list(range(8 * k, 8 * k + 8)))}) == 1


@pytest.mark.parametrize('uint8', [False, True])
@pytest.mark.parametrize('phase', ['val', 'test'])
def test_other_phases_give_whole_images_in_order(options, pairs, phase, uint8):
    dataset = build_dataset(options(phase=phase, gt_size=None, uint8=uint8))
    assert len(dataset) == 5
    for position, name in enumerate('abcde'):
        for sample in (dataset[position], *dataset.__getitems__([position])):
            assert set(sample) == {'lq', 'gt', 'lq_path', 'gt_path'}
            assert sample['lq_path'][-5] == sample['gt_path'][-5] == name
            for key, expected in zip(('lq', 'gt'), pairs[name], strict=True):
                found = sample[key].integers.numpy().transpose(1, 2, 0)[..., ::-1] if uint8 else pixels(sample[key])
                np.testing.assert_array_equal(found, expected)


def test_folders_and_lmdbs_of_basicsr_give_the_same_patches(tmp_path, options, hr_folder):
    made = prepare(Preparation(hr_folder, tmp_path, 2, encoding='files'))
    for folder in (made.hr_path, made.lr_path):
        names = [path.name for path in sorted(folder.glob('[!.]*.png'))]
        keys = [name[:-4] for name in names]
        make_lmdb_from_imgs(str(folder), str(folder) + '.lmdb', names, keys, map_size=1 << 22)
    expected = samples(options(), 3, 4)[1]
    for suffix, backend in (('', 'disk'), ('.lmdb', 'lmdb')):
        opt = options(
            dataroot_gt=f'{made.hr_path}{suffix}', dataroot_lq=f'{made.lr_path}{suffix}', io_backend={'type': backend}
        )
        for one, other in zip(expected, samples(opt, 3, 4)[1], strict=True):
            assert torch.equal(one['lq'], other['lq'])
            assert torch.equal(one['gt'], other['gt'])
            assert (one['pic'], one['pic_bin']) == (other['pic'], other['pic_bin'])


def test_parts_are_one_data_set(tmp_path, options, hr_folder, pairs):
    for number in (1, 2, 3):
        prepare(Preparation(hr_folder, tmp_path, 2, lr_window=12, shard=(number, 3)))
    opt = options(dataroot_gt=str(tmp_path / 'HR_x2.lmdb'), dataroot_lq=str(tmp_path / 'LR_bicubic_x2.lmdb'))
    dataset, drawn = samples(opt, 8, 4)
    assert len(dataset) == 5
    assert {sample['lq_path'][-5] for sample in drawn} == {'a', 'b', 'c', 'd'}
    for sample in drawn:
        lr, hr = pairs[sample['gt_path'][-5]]
        way, (row, column) = undone(pixels(sample['lq']), lr)
        assert place_of(np.ascontiguousarray(symmetries(pixels(sample['gt']))[way]), hr) == (row * 2, column * 2)


def test_small_images_are_skipped_and_counted(options, log):
    dataset, drawn = samples(options(sampling='uniform', num_candidates=5), 20, 4)
    assert '1 of 5 images is smaller than the 12 pixel LR window and not drawn.' in log
    assert {sample['lq_path'][-5] for sample in drawn} == {'a', 'b', 'c', 'd'}
    assert len(dataset) == 5


@pytest.mark.parametrize('phase', ['train', 'val'])
def test_options_are_not_changed(options, phase):
    from bsr_plugin.data.rfs_paired_image_dataset import RFSPairedImageDataset

    opt = options(phase=phase)
    before = copy.deepcopy(opt)
    dataset = RFSPairedImageDataset(opt)
    dataset.__getitems__([0, 1, 2, 3])
    assert opt == before


@pytest.mark.parametrize(
    ('changes', 'sentence'),
    [
        ({'gt_size': None}, '^data set Toy: `gt_size`: missing$'),
        ({'dataroot_lq': None}, '^data set Toy: `dataroot_lq`: missing$'),
        ({'io_backend': {'type': 'zip'}}, "`io_backend.type`: 'zip' should be 'disk' or 'lmdb'"),
        ({'gt_size': 25}, '^gt_size 25 is not a multiple of scale 2; 24 and 26 are$'),
        ({'gt_size': 1}, '^gt_size 1 is not a multiple of scale 2; 2 is$'),
        (
            {'sampling': 'balanced'},
            "`sampling`: 'balanced' should be 'rfs', 'uniform', 'importance', 'band' or 'rejection'; did you mean",
        ),
        (
            {'sampling': 'importance', 'image_choice': 'spread'},
            "image_choice is given, which sampling 'importance' does",
        ),
        ({'pic_importance': {}}, 'pic_importance is given, .* use sampling importance'),
        ({'sampling': 'importance', 'num_candidates': 8}, "num_candidates is 8, and sampling 'importance' weights"),
        ({'sampling': 'importance', 'pic_importance': {'uniform_share': 0}}, 'pic_importance has uniform_share 0'),
        (
            {'num_candidates': 0},
            '`num_candidates`: 0 is not a number of images: use 1 or more, all, or ~ for the batch size',
        ),
        ({'num_candidates': 'some'}, "`num_candidates`: 'some' is not a number of images: use 1 or more, all, or ~"),
        ({'image_choice': 'even'}, "`image_choice`: 'even' should be 'share' or 'spread'"),
        ({'pic_balance': 2}, r'^data set Toy: pic_balance is 2\.0: use a number from 0 \(uniform\) to 1 \(rfs\)\.'),
        (
            {'pic_balance': 0.5, 'sampling': 'uniform'},
            r"pic_balance is given, which sampling 'uniform' does not read: ",
        ),
        ({'pic_band': {}, 'sampling': 'rfs'}, 'pic_band is given, .* leave it out, or use sampling band$'),
        ({'image_choice': 'share', 'sampling': 'rejection'}, r"image_choice is given, which sampling 'rejection' does"),
        ({'pic_band': {'share': 2}, 'sampling': 'band'}, r'pic_band has share 2\.0: use a number from 0 to 1\.'),
        ({'pic_score': 'residual', 'sampling': 'rejection'}, r"pic_score is 'residual', and sampling 'rejection' mea"),
        ({'pic_score': 'gradiant'}, r"pic_score is 'gradiant': use gradient, residual, or a folder with a map for ev"),
        ({'pic_spacing': 'even'}, "`pic_spacing`: 'even' should be 'width' or 'quantile'"),
        ({'pic_spacing': 'quantile', 'pic_quantile': 0.9}, r'pic_spacing is quantile, and pic_quantile is given'),
        ({'pic_bins': 300}, r'pic_bins is 300: use 1 to 256 intervals\.'),
        ({'pic_quantile': 1.5}, r'pic_quantile is 1\.5: use a number above 0 and up to 1\.'),
        ({'pic_edges': [0, 9, 4]}, r'pic_edges is \[0\.0, 9\.0, 4\.0\]: the edges must start at 0 and increase\.'),
        ({'pic_edges': [0, 9]}, 'pic_bins is 4, and pic_edges has 1 intervals: leave one of the two out$'),
        ({'pic_channels': 'mean'}, "`pic_channels`: 'mean' should be 'max' or 'sum'"),
        ({'gt_size': 120}, r'No image is as large as a patch: the window is 60 LR pixels and the largest LR image'),
        ({'scale': 3, 'gt_size': 36}, r'which is not 1/3 of it \(5 such pairs\): make both with bsr prepare\.'),
        ({'dataroot_gt': '/nowhere/HR.lmdb'}, r'/nowhere/HR\.lmdb does not exist: make it with bsr prepare'),
    ],
)
def test_bad_options_get_a_sentence(options, changes, sentence):
    with pytest.raises(InputError, match=sentence) as error:
        build_dataset(options(**changes))
    assert '\n' not in str(error.value)
