"""Markdown, CSV and LaTeX say the same as the tables."""

import csv
import io
import re
from dataclasses import replace

import pytest

from bsr_plugin.report.table_formats import signed, to_csv, to_latex, to_markdown
from bsr_plugin.report.table_model import Cell, Row, Table
from bsr_plugin.report.tables import compared


@pytest.fixture
def table():
    rows = (
        Row('VDSR', False, {'BSD100': Cell(27.29, 0.0726, misprint='ssim', note='as printed')}),
        Row('BSR', False, {'Set5': Cell(32.64, 0.9002), 'BSD100': Cell(27.79, 0.7436)}),
        Row('my_run | 100 %', True, {'Set5': Cell(32.6449, 0.90018, 30.5, 4, note='4 of 5 images')}),
    )
    reference = 'my_run | 100 %', True
    return compared(Table(2, 4, 'bicubic', ('Set5', 'BSD100'), rows, reference, reference))


def test_csv_has_a_line_for_each_figure_at_full_length(table):
    lines = list(csv.DictReader(io.StringIO(to_csv([table]))))

    assert [(line['method'], line['dataset'], line['source']) for line in lines] == [
        ('VDSR', 'BSD100', 'paper'),
        ('BSR', 'Set5', 'paper'),
        ('BSR', 'BSD100', 'paper'),
        ('my_run | 100 %', 'Set5', 'measured'),
    ]
    vdsr, bsr, _, mine = lines
    assert (vdsr['misprint'], vdsr['ssim_rank'], vdsr['psnr_rank']) == ('ssim', '', '2')
    assert float(bsr['psnr_difference']) == pytest.approx(32.64 - 32.6449, abs=1e-6)
    assert (mine['psnr_y'], mine['psnr_rgb'], mine['images'], mine['psnr_rank']) == ('32.6449', '30.5', '4', '1')
    assert mine['note'] == '4 of 5 images'
    assert {line['table'] for line in lines} == {'2'}


def test_markdown_is_one_table_with_equal_rows(table):
    lines = to_markdown([table]).splitlines()

    assert lines[0] == '## Table 2: x4, bicubic degradation'
    grid = [line for line in lines if line.startswith('|')]
    assert len({len(re.findall(r'(?<!\\)\|', line)) for line in grid}) == 1
    assert grid[2] == '| VDSR | – / – |  | 27.29 / 0.0726 [1] |  (2) |'  # noqa: RUF001
    assert grid[4].startswith(r'| **my\_run \| 100 %** | 32.64 / 0.9002 [2] | 0.00 (1) |')
    assert '[1] VDSR, BSD100: misprint of the paper: as printed  ' in lines
    assert r'[2] my\_run \| 100 %, Set5: 4 of 5 images' in lines


def test_markdown_escapes_the_names_of_sets(table):
    lines = to_markdown([replace(table, sets=('a|b_c',))]).splitlines()
    assert lines[2] == r'| Method | a\|b\_c PSNR-Y / SSIM-Y | Δ (rank) |'


def test_nan_is_printed_as_such(table):
    row = Row('broken', True, {'Set5': Cell(float('nan'), float('nan'))})
    texts = [form([replace(table, rows=(*table.rows, row))]) for form in (to_markdown, to_latex, to_csv)]
    assert '| **broken** | NaN / NaN |' in texts[0]
    assert 'broken & NaN & NaN &' in texts[1]
    assert ',broken,measured,,nan,nan,' in texts[2]


def test_latex_marks_the_best_and_escapes_names(table):
    text = to_latex([table])

    assert text.count('{') == text.count('}')
    rows = {line.split(' & ')[0]: line for line in text.splitlines() if line.endswith('\\\\')}
    assert r'\textbf{27.79}' in rows['BSR']
    assert r'\underline{27.29}' in rows['VDSR']
    mine = rows[r'my\_run | 100 \%']
    assert mine.count('&') == 4
    assert r'\textbf{32.64} {\scriptsize ($ 0.00 $)}$^{2}$' in mine
    assert text.count('\\midrule') == 2
    assert r'$^{2}$ my\_run | 100 \%, Set5: 4 of 5 images' in text


def test_a_difference_that_rounds_to_nothing_has_no_sign():
    assert [signed(value, 2) for value in (0.004, -0.004, -0.006, 1.5, None)] == ['0.00', '0.00', '-0.01', '+1.50', '']
