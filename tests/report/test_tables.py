"""Ranks and differences beside published figures, worked out by hand."""

import math
from dataclasses import replace

import pytest

from bsr_plugin.evaluation.results import ImageResult, RunResult, SetResult, SkippedImage
from bsr_plugin.report.bicubic import Quality
from bsr_plugin.report.published import SET_SIZES
from bsr_plugin.report.table_model import BICUBIC
from bsr_plugin.report.tables import ablation_table, comparison_tables


def run_of(name, figures, scale=4, degradation='bicubic', crop_border=None, images=None):
    """A run with these (PSNR-Y, SSIM-Y) on every image of the sets."""
    border = scale if crop_border is None else crop_border
    metrics = {
        'p': {'type': 'calculate_psnr', 'crop_border': border, 'test_y_channel': True},
        's': {'type': 'calculate_ssim', 'crop_border': border, 'test_y_channel': True},
        'rgb': {'type': 'calculate_psnr', 'crop_border': border},
    }
    parts = []
    for dataset, (psnr, ssim) in figures.items():
        count = images or SET_SIZES.get(dataset, 3)
        values = {'p': psnr, 's': ssim, 'rgb': psnr - 2}
        measured = [ImageResult(f'{i}', f'/{dataset}/{i}.png', None, None, values) for i in range(count)]
        skipped = [SkippedImage('x', 'It is gone.')] * (SET_SIZES.get(dataset, 3) - count)
        parts.append(SetResult(dataset, scale, degradation, measured, skipped, values))
    return RunResult(name, {'type': 'BSRNet'}, 1000, None, 'params', metrics, parts)


def baselines_of(*runs, psnr=25.0, ssim=0.7):
    return {
        (image.gt, image.lq, part.scale, part.degradation): Quality(psnr, ssim)
        for run in runs
        for part in run.sets
        for image in part.images
    }


def rows(table):
    return {row.method: row for row in table.rows}


def test_table_2_has_all_published_rows_and_ours_with_ranks_and_differences():
    ours = run_of('mine', {'Set5': (32.48, 0.9002), 'BSD100': (27.30, 0.7300)})
    (table,) = comparison_tables([ours], baselines_of(ours, psnr=28.421, ssim=0.81039))

    assert (table.number, table.scale, table.sets) == (2, 4, ('Set5', 'BSD100'))
    assert [row.method for row in table.rows] == [
        'Bicubic', 'SRCNN', 'FSRCNN', 'VDSR', 'LapSRN', 'MemNet', 'EDSR', 'SRMDNF', 'RDN', 'RCAN', 'SAN', 'BSR',
        BICUBIC, 'mine',
    ]  # fmt: skip
    mine = rows(table)['mine'].cells['Set5']
    # Above it on Set5: SAN and BSR (32.64), RCAN (32.63); SSIM: SAN 0.9003, level with RCAN and BSR.
    assert (mine.psnr_rank, mine.ssim_rank) == (4, 2)
    assert (mine.psnr_difference, mine.ssim_difference) == (0, 0)
    assert mine.psnr_rgb == pytest.approx(30.48)
    san = rows(table)['SAN'].cells['Set5']
    assert (san.psnr_rank, rows(table)['BSR'].cells['Set5'].psnr_rank) == (1, 1)
    assert san.psnr_difference == pytest.approx(0.16)
    bicubic = rows(table)[BICUBIC].cells['Set5']
    assert (bicubic.psnr_rank, bicubic.images) == (13, 5)
    assert rows(table)['Bicubic'].cells['Set5'].psnr_rank == 13
    assert '+0.001 dB and -0.0000 on Set5' in table.reproduction


def test_a_misprint_takes_no_rank_and_no_difference():
    ours = run_of('mine', {'BSD100': (27.30, 0.7300)})
    (table,) = comparison_tables([ours], baselines_of(ours))

    vdsr = rows(table)['VDSR'].cells['BSD100']
    assert (vdsr.ssim, vdsr.ssim_rank, vdsr.ssim_difference) == (0.0726, None, None)
    assert vdsr.psnr_rank is not None
    # Of 14 rows one has a misprinted SSIM, so the last of the others is the 13th.
    assert rows(table)['Bicubic'].cells['BSD100'].ssim_rank == 13


def test_table_3_and_scales_the_paper_does_not_have():
    ours = run_of('blurred', {'Set5': (34.76, 0.9292)}, scale=3, degradation='blur-down')
    eight = run_of('eight', {'Set5': (26.0, 0.75)}, scale=8)
    third, last = comparison_tables([eight, ours], baselines_of(ours, eight))

    assert (third.number, third.degradation) == (3, 'blur-down')
    assert rows(third)['blurred'].cells['Set5'].psnr_rank == 1
    assert rows(third)['BSR'].cells['Set5'].psnr_rank == 1
    assert (last.number, [row.method for row in last.rows]) == (None, [BICUBIC, 'eight'])


def test_a_set_of_ones_own_stands_behind_those_of_the_paper():
    ours = run_of('mine', {'Holiday': (30.0, 0.9), 'Urban100': (26.0, 0.8), 'Set5': (32.0, 0.9)})
    (table,) = comparison_tables([ours], baselines_of(ours))
    assert table.sets == ('Set5', 'Urban100', 'Holiday')
    assert set(rows(table)['BSR'].cells) == {'Set5', 'Urban100'}


def test_a_second_spelling_of_a_published_set_is_a_set_of_its_own():
    ours = run_of('mine', {'BSD100': (27.3, 0.73), 'B100': (27.1, 0.72)})
    (table,) = comparison_tables([ours], baselines_of(ours))
    assert table.sets == ('BSD100', 'B100')
    assert [rows(table)['mine'].cells[name].psnr for name in table.sets] == [27.3, 27.1]


def test_what_does_not_compare_is_said():
    partial = run_of('partial', {'Set14': (28.0, 0.78)}, images=13)
    uncut = run_of('uncut', {'Set14': (28.0, 0.78)}, crop_border=0)
    (table,) = comparison_tables([partial, uncut], baselines_of(partial, uncut))
    assert rows(table)['partial'].cells['Set14'].note == '13 of 14 images'
    assert (
        rows(table)['uncut'].cells['Set14'].note
        == 'p with crop_border 0 in place of 4; s with crop_border 0 in place of 4'
    )


def test_lr_images_that_were_given_and_are_others_are_said():
    ours = run_of('mine', {'Set5': (32.0, 0.9), 'Set14': (28.0, 0.78)})
    figures = {
        key: replace(quality, lr_difference=0.5) for key, quality in baselines_of(ours).items() if 'Set5' in key[0]
    }
    (table,) = comparison_tables([ours], {**baselines_of(ours), **figures})
    for row in ('mine', BICUBIC):
        note = 'LR images differ from bicubic degradation by 0.5 grey levels on average'
        assert [rows(table)[row].cells[name].note for name in ('Set5', 'Set14')] == [note, '']


def test_nan_has_no_rank_and_no_difference():
    broken, sound = run_of('broken', {'Set5': (float('nan'), 0.9)}), run_of('sound', {'Set5': (34.0, 0.9)})
    (table,) = comparison_tables([sound, broken], baselines_of(sound, broken))
    cell = rows(table)['broken'].cells['Set5']
    assert (cell.psnr_rank, cell.psnr_difference, math.isnan(cell.psnr)) == (None, None, True)
    assert rows(table)['sound'].cells['Set5'].psnr_rank == 1
    assert rows(table)['BSR'].cells['Set5'].psnr_rank == 2


def test_without_hr_images_the_bicubic_cell_is_empty():
    ours = run_of('mine', {'Set5': (32.0, 0.9)})
    (table,) = comparison_tables([ours], {})
    assert rows(table)[BICUBIC].cells['Set5'].psnr is None


def test_table_4_compares_ablations_with_their_own_baselines():
    full, without = run_of('a', {'Set5': (32.0, 0.9)}), run_of('b', {'Set5': (31.9, 0.9)})
    other = run_of('c', {'Set5': (38.0, 0.9)}, scale=2)
    table = ablation_table([full, without, other], {'a': 'BSR baseline', 'b': 'BSR w/o SC', 'c': 'BSR L2'})

    assert table.number == 4
    cells = {row.method: row.cells['Set5'] for row in table.rows}
    assert list(cells)[-2:] == ['BSR baseline: a', 'BSR w/o SC: b']
    assert cells['BSR w/o SC'].psnr_difference == pytest.approx(-0.10)
    assert cells['BSR w/o SC: b'].psnr_difference == pytest.approx(-0.1)
    assert (cells['BSR baseline'].psnr_rank, cells['BSR w/o SC: b'].psnr_rank) == (1, 7)
    assert cells['BSR w/o SC: b'].ssim is None


def test_table_4_needs_an_ablation():
    full = run_of('a', {'Set5': (32.0, 0.9)})
    assert ablation_table([full], {'a': 'BSR baseline'}) is None
    assert ablation_table([full], {}) is None
    assert ablation_table([replace(full, sets=[])], {'a': 'BSR L2'}) is None
