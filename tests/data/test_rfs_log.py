"""What ``RFSPairedImageDataset`` logs of an epoch: patches, windows and images of every interval."""

import re

import numpy as np
import pytest
from basicsr.data import build_dataset
from torch.utils.data import DataLoader

from bsr_plugin.data import rfs_paired_image_dataset


def reported(dataset, numbers, size, log):
    """The numbers of the report of one epoch: batches looked at and all, widened, displaced, and the table's rows."""
    dataset.begin_epoch(numbers, size)
    (line,) = [line for line in log if line.startswith('Patches, different windows')]
    head, table = line.split(':\n', 1)
    rows = [[int(number) for number in row.split()[1:]] for row in table.splitlines()]
    log.clear()
    return [int(number.replace(',', '')) for number in re.findall(r'\d[\d,]*', head)], rows


@pytest.mark.parametrize('sampling', ['rfs', 'uniform', 'band', 'rejection'])
def test_an_epoch_is_logged_as_it_will_be_drawn(options, log, sampling):
    dataset = build_dataset(options(sampling=sampling, pic_bins=3))
    numbers = range(8 * 5, 8 * 25)
    head, rows = reported(dataset, numbers, 8, log)
    drawn = [
        sample for batch in DataLoader(dataset, 8, sampler=numbers, num_workers=2, collate_fn=list) for sample in batch
    ]
    assert head == [20, 20, 0, 0]
    intervals, patches, windows, images = rows
    assert intervals == [0, 1, 2]
    assert patches == [sum(one['pic_bin'] == k for one in drawn) for k in range(3)]
    assert images == [len({one['lq_path'] for one in drawn if one['pic_bin'] == k}) for k in range(3)]
    # Patches with the same PIC of the same image are the same window, but for rare coincidences.
    different = [len({(one['lq_path'], one['pic']) for one in drawn if one['pic_bin'] == k}) for k in range(3)]
    assert np.array(windows) - different == pytest.approx(0, abs=3)
    assert all(0 < count <= total for count, total in zip(windows, patches, strict=True))


def test_the_law_of_importance_is_logged_and_weighs_every_patch(options, log):
    dataset = build_dataset(options(sampling='importance', pic_importance={'uniform_share': 0.5}))
    uniform = dataset.index.probabilities
    dataset.importance.use(np.array([1.0, 2.0, 3.0, 4.0]))
    law = 0.5 * uniform * [1, 2, 3, 4] / (uniform @ [1, 2, 3, 4]) + 0.5 * uniform
    numbers = range(8 * 32)
    dataset.begin_epoch(numbers, 8)
    rows = {row.split()[0]: row.split()[1:] for row in log[-1].splitlines()[1:]}
    assert rows['percent'] == [f'{100 * each:.2f}' for each in law]
    drawn = [sample for start in numbers[::8] for sample in dataset.__getitems__(list(range(start, start + 8)))]
    assert [int(word) for word in rows['patches']] == [sum(one['pic_bin'] == k for one in drawn) for k in range(4)]
    for sample in drawn:
        assert sample['pic_weight'] == pytest.approx(uniform[sample['pic_bin']] / law[sample['pic_bin']], rel=1e-12)
    assert np.mean([sample['pic_weight'] for sample in drawn]) == pytest.approx(1, abs=0.01)
    assert [int(word) for word in rows['patches']] == pytest.approx(256 * law, abs=2)


def test_windows_that_come_again_are_seen_in_the_log(options, log):
    # The top interval holds a handful of windows, which a long epoch draws again and again.
    dataset = build_dataset(options(pic_quantile=1.0, pic_bins=8))
    rare = int(np.flatnonzero(dataset.index.counts.sum(axis=0))[-1])
    held = int(dataset.index.counts[:, rare].sum())
    _, (_, patches, windows, images) = reported(dataset, range(8 * 2000), 8, log)
    assert windows[rare] <= held < patches[rare]
    assert images[rare] <= (dataset.index.counts[:, rare] > 0).sum()


def test_of_a_long_epoch_an_eighth_is_drawn_for_the_log(options, log, monkeypatch):
    dataset = build_dataset(options())
    assert reported(dataset, range(4 * 1000, 4 * 3003), 4, log)[0][:2] == [251, 2003]
    assert reported(dataset, range(4 * 40), 4, log)[0][:2] == [32, 40]
    assert reported(dataset, range(4 * 7), 4, log)[0][:2] == [7, 7]
    slow = build_dataset(options(sampling='rejection'))
    assert reported(slow, range(4 * 6400), 4, log)[0][:2] == [100, 6400]
    dataset.begin_epoch(range(12, 12), 4)
    assert not log
    monkeypatch.setattr(rfs_paired_image_dataset, 'get_dist_info', lambda: (1, 2))
    other_rank = build_dataset(options())
    log.clear()
    other_rank.begin_epoch(range(160), 4)
    assert not log  # rank 0 speaks


def test_widened_patches_are_reported(options, log):
    # One candidate a batch. All images have interval 1, and only c lacks interval 0.
    dataset = build_dataset(options(num_candidates=1, pic_bins=None, pic_edges=[0, 45, 500]))
    assert (dataset.index.counts > 0).tolist() == [[True, True]] * 2 + [[False, True], [True, True], [False, False]]
    head, _ = reported(dataset, range(8 * 12), 8, log)
    drawn = [dataset.__getitems__(list(range(8 * k, 8 * k + 8))) for k in range(12)]
    candidates = [next(one['lq_path'][-5] for one in batch if one['pic_bin'] == 1) for batch in drawn]
    assert 0 < candidates.count('c') < 12
    assert head == [12, 12, 4 * candidates.count('c'), 0]


def test_displaced_patches_are_reported(options, log):
    dataset = build_dataset(options(num_candidates=5, pic_bins=None, pic_edges=[0, 45, 500, 501, 502]))
    head, rows = reported(dataset, range(32), 8, log)
    assert rows[:2] == [[0, 1, 2, 3], [8, 24, 0, 0]]
    assert head == [4, 4, 0, 16]
