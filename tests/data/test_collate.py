"""Samples of one batch are collated without a copy, and like any other samples otherwise."""

import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, default_collate

from bsr_plugin.data.collate import Patch, patches_of

TENSORS = {'lq': torch.arange(24.0).reshape(4, 3, 2), 'gt': torch.arange(4, dtype=torch.uint8).reshape(4, 1)}
VALUES = {'lq_path': ['a', 'b', 'c', 'd'], 'mirrored': [True, False, True, True]}
NUMBERS = {'pic': np.array([0.5, 1.5, 2.5, 3.5]), 'pic_bin': np.array([3, 2, 1, 0])}


@pytest.fixture
def patches():
    return patches_of(TENSORS, VALUES, NUMBERS)


def as_dictionaries(patches):
    """The same samples, which nothing is known of."""
    return [{key: value.clone() if torch.is_tensor(value) else value for key, value in p.items()} for p in patches]


def assert_same(batch, expected):
    assert list(batch) == list(expected)
    for key, value in expected.items():
        if torch.is_tensor(value):
            assert batch[key].dtype == value.dtype
            assert torch.equal(batch[key], value)
        else:
            assert batch[key] == value


def test_samples_hold_the_rows(patches):
    assert len(patches) == 4
    assert patches[2]['lq'].tolist() == [[12, 13], [14, 15], [16, 17]]
    assert (patches[2]['lq_path'], patches[2]['pic'], patches[2]['pic_bin']) == ('c', 2.5, 1)
    assert isinstance(patches[0], dict)
    assert (type(patches[2]['pic']), type(patches[2]['pic_bin'])) == (float, int)


def test_a_whole_batch_is_what_default_collate_makes_of_it_and_is_not_copied(patches):
    batch = default_collate(patches)
    assert_same(batch, default_collate(as_dictionaries(patches)))
    assert batch['lq'].data_ptr() == TENSORS['lq'].data_ptr()
    assert batch['gt'].data_ptr() == TENSORS['gt'].data_ptr()
    assert batch['pic'].data_ptr() == NUMBERS['pic'].ctypes.data


@pytest.mark.parametrize('order', [[0, 1, 2], [1, 0, 2, 3], [3], [0, 0, 1, 2, 3], [0, 1, 2, 2]])
def test_other_choices_of_samples_are_copied(patches, order):
    chosen = [patches[row] for row in order]
    batch = default_collate(chosen)
    assert_same(batch, default_collate(as_dictionaries(chosen)))
    assert batch['lq'].data_ptr() != TENSORS['lq'].data_ptr()


def test_samples_of_different_batches_are_put_together(patches):
    other = patches_of(
        {key: values + 1 for key, values in TENSORS.items()},
        VALUES,
        {'pic': NUMBERS['pic'] + 1, 'pic_bin': NUMBERS['pic_bin']},
    )
    mixed = [*patches[:2], *other[2:]]
    assert_same(default_collate(mixed), default_collate(as_dictionaries(mixed)))


@pytest.mark.parametrize('change', [lambda lq: lq.mT.mT, lambda lq: lq * 2, lambda lq: lq.flip(0)])
def test_a_sample_that_was_changed_counts_as_it_is_now(patches, change):
    patches[1]['lq'] = change(patches[1]['lq'])
    patches[3]['weight'] = 1.0
    for patch in patches:
        patch.setdefault('weight', 0.0)
    expected = default_collate(as_dictionaries(patches))
    assert_same(default_collate(patches), expected)


def test_a_sample_takes_nothing_of_its_batch_along(patches):
    copy = pickle.loads(pickle.dumps(patches[1]))
    assert type(copy) is dict
    assert_same(copy, dict(patches[1]))


class _Batches(torch.utils.data.Dataset):
    def __len__(self):
        return 4

    def __getitems__(self, indices):
        assert list(indices) == [0, 1, 2, 3]
        return patches_of({key: value.clone() for key, value in TENSORS.items()}, VALUES, NUMBERS)


@pytest.mark.parametrize('workers', [0, 1])
def test_through_the_loader(workers):
    (batch,) = DataLoader(_Batches(), batch_size=4, num_workers=workers)
    assert_same(batch, default_collate(as_dictionaries(patches_of(TENSORS, VALUES, NUMBERS))))
    assert type(batch) is dict
    assert all(type(sample) is Patch for sample in patches_of(TENSORS, VALUES, NUMBERS))
