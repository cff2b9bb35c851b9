"""The tables and the page of a study, from runs whose figures are known."""

import csv
import io
import math
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from bsr_plugin.cli import main
from bsr_plugin.report.study_build import build_study_report
from bsr_plugin.report.study_figures import differences_figure, learning_curves_figure
from bsr_plugin.report.study_formats import study_to_csv, study_to_latex, study_to_markdown
from bsr_plugin.report.study_page import _warnings
from bsr_plugin.report.study_table_parts import label_of
from bsr_plugin.report.study_tables import study_tables
from bsr_plugin.report.study_times import seconds_table
from bsr_plugin.study.definition import Comparison
from bsr_plugin.study.planning import Plan
from bsr_plugin.study.quarters import Budget
from bsr_plugin.study.record import ALL_SETS, RunRecord, SetRecord
from bsr_plugin.study.results import Times, read_study_result, study_result, write_study

METRICS = {
    'psnr_y': {'type': 'calculate_psnr', 'crop_border': 2, 'test_y_channel': True},
    'niqe': {'type': 'calculate_niqe', 'crop_border': 2},
}
LEVELS = {'plain': 30.0, 'with_#1': 30.25}


def run(variant, seed, pace):
    level = LEVELS[variant] + 0.1 * seed + 0.01 * seed * (variant != 'plain')
    means = {'Set5': {'psnr_y': level, 'niqe': 4.0}, 'Set14': {'psnr_y': level - 4, 'niqe': 5.0}}
    means[ALL_SETS] = {'psnr_y': level - 2, 'niqe': 4.5}
    images = {name: {'baby': means[name]} for name in ('Set5', 'Set14')}
    curves = {
        name: {metric: {at: value - 6 / at for at in (1, 10, 20, 30)} for metric, value in values.items()}
        for name, values in means.items()
    }
    return RunRecord(variant, seed, 'digest', means, images, curves, pace, {})


def study(seeds=(1, 2), pace=0.25, left_out=(), comparisons=()):
    cell = SimpleNamespace(test={'val': {'metrics': METRICS}})
    plan = Plan('A <study>', 'plain', tuple(LEVELS), seeds, (cell,) * (2 * len(seeds)), comparisons)
    cells = [(name, seed) for name in LEVELS for seed in seeds if (name, seed) not in left_out]
    return study_result(plan, [run(*each, pace) for each in cells])


def test_figures_differences_and_iterations_as_printed():
    tables = {table.title: table for table in study_tables(study())}
    assert list(tables) == [
        'PSNR-Y of the final networks', 'PSNR-Y, difference from plain', 'niqe of the final networks',
        'niqe, difference from plain', 'Iterations to the final PSNR-Y of plain',
    ]  # fmt: skip
    figures = tables['PSNR-Y of the final networks']
    assert figures.heads == ['variant', 'Set5', 'Set14', 'mean of all sets', 'n']
    assert figures.rows[0] == ['plain', '30.150 ± 0.071', '26.150 ± 0.071', '28.150 ± 0.071', '2']
    # Differences 0.26 and 0.27: mean 0.265, standard error 0.005, t of one degree of freedom 12.706.
    assert tables['PSNR-Y, difference from plain'].rows[0][:2] == ['with_#1', '+0.265 [+0.201, +0.329]']
    assert tables['niqe, difference from plain'].rows[0][1] == '0.0000 [0.0000, 0.0000]'
    assert tables['Iterations to the final PSNR-Y of plain'].rows[0][1] == '30 (2 of 2)'


def test_claims_come_first_in_the_tables_and_on_the_page(tmp_path):
    claims = (
        Comparison(says='It brings +0.2 dB.', better='with_#1', than='plain'),
        Comparison(says='It harms.', better='plain', than='with_#1'),
    )
    result = study(comparisons=claims)
    verdicts, pairs, *_ = study_tables(result)
    assert (verdicts.title, verdicts.heads) == ('Claims', ['claim', 'variants', 'here', 'q'])
    # As the differences from the reference above: on all sets the same.
    holds = 'holds here by +0.265 [+0.201, +0.329] dB (2 seeds)'
    # t = 0.265 / 0.005 = 53, and with one degree of freedom p = 1 - 2 / pi * arctan(t); of two claims alike q is p.
    q = f'{1 - 2 / math.pi * math.atan(53):.2g}'
    assert verdicts.rows == [
        ['It brings +0.2 dB.', 'with_#1 vs plain', holds, q],
        ['It harms.', 'plain vs with_#1', 'does not hold here: -0.265 [-0.329, -0.201] dB (2 seeds)', q],
    ]
    assert pairs.rows[1] == ['plain vs with_#1', *['-0.265 [-0.329, -0.201]'] * 3, '2']
    build_study_report(result, tmp_path)
    assert (
        f'| It brings +0.2 dB. | with\\_\\#1 vs plain | {holds} | {q} |'.replace('[', '\\[').replace(']', '\\]')
        in (tmp_path / 'tables.md').read_text()
    )
    lines = list(csv.DictReader((tmp_path / 'tables.csv').read_text().splitlines()))
    by_kind = {kind: [each for each in lines if each['kind'] == kind] for kind in ('claim', 'comparison')}
    assert [each['verdict'] for each in by_kind['claim']] == [row[2] for row in verdicts.rows]
    assert [(each['claim'], each['set']) for each in by_kind['comparison'][::2]] == [
        (says, name) for says in ('It brings +0.2 dB.', 'It harms.') for name in ('Set5', 'Set14', ALL_SETS)
    ]
    assert '<th scope="row">It brings +0.2 dB.</th>' in (tmp_path / 'index.html').read_text()
    nothing = study(left_out=[('plain', 1), ('plain', 2)], comparisons=claims)
    assert [row[2:] for row in study_tables(nothing)[0].rows] == [['not measured', '']] * 2
    assert study_tables(nothing)[1].title == 'PSNR-Y of the final networks'


def on_test_sets(level, left_out=()):
    """The study, and its networks on two test sets."""
    claims = (Comparison(says='It brings +0.2 dB.', better='with_#1', than='plain'),)
    cell = SimpleNamespace(test={'val': {'metrics': METRICS}})
    plan = Plan('A <study>', 'plain', tuple(LEVELS), (1, 2), (cell,) * 4, claims, ('BSD100', 'Urban100'))
    runs = []
    for name, seed in [(name, seed) for name in LEVELS for seed in (1, 2)]:
        value = 27 + 0.1 * seed + (level + 0.04 * seed) * (name != 'plain')
        means = {'BSD100': {'psnr_y': value, 'niqe': 3.0}, 'Urban100': {'psnr_y': value - 2, 'niqe': 4.0}}
        tests = {} if (name, seed) in left_out else {
            key: SetRecord('digest', own, {'img_001': own}) for key, own in means.items()
        }  # fmt: skip
        runs.append(replace(run(name, seed, 0.25), tests=tests))
    return study_result(plan, runs)


def test_test_sets_have_a_verdict_and_tables_of_their_own(tmp_path):
    result = on_test_sets(level=0.3)
    tables = {table.title: table for table in study_tables(result)}
    titles = list(tables)
    assert titles[5:] == [
        'niqe, difference from plain', 'Iterations to the final PSNR-Y of plain',
        'PSNR-Y, difference between the variants of the claims, test sets', 'PSNR-Y of the final networks, test sets',
        'PSNR-Y, difference from plain, test sets', 'niqe of the final networks, test sets',
        'niqe, difference from plain, test sets',
    ]  # fmt: skip
    claims = tables['Claims']
    assert claims.heads == ['claim', 'variants', 'here', 'q', 'on BSD100 and Urban100', 'q']
    # Differences 0.34 and 0.38: mean 0.36, standard error 0.02, t of one degree of freedom 12.7062, p by arctan.
    low, high = (f'{0.36 + sign * 12.7062 * 0.02:+.3f}' for sign in (-1, 1))
    verdict = f'holds here by +0.360 [{low}, {high}] dB (2 seeds)'
    assert claims.rows[0][2].startswith('holds here by +0.265 ')
    assert claims.rows[0][4:] == [verdict, f'{1 - 2 / math.pi * math.atan(18):.2g}']
    # The validation sets are as without test sets, and their mean has no test set in it.
    alone = {table.title: table for table in study_tables(study())}
    assert all(tables[title] == table for title, table in alone.items())
    figures = tables['PSNR-Y of the final networks, test sets']
    assert figures.heads == ['variant', 'BSD100', 'Urban100', 'mean of all sets', 'n']
    assert figures.rows[0] == ['plain', '27.150 ± 0.071', '25.150 ± 0.071', '26.150 ± 0.071', '2']
    build_study_report(result, tmp_path)
    lines = list(csv.DictReader((tmp_path / 'tables.csv').open()))
    kinds = {'figure', 'image', 'run', 'difference', 'claim', 'comparison'}
    assert {line['kind'] for line in lines} == kinds | {f'test {kind}' for kind in kinds}
    (of_claim,) = [line for line in lines if line['kind'] == 'test claim']
    assert of_claim['verdict'] == verdict
    page = (tmp_path / 'index.html').read_text()
    assert '<h3>PSNR-Y, test sets</h3>' in page
    assert re.findall(r'id="((?:test-)?images-\d)"', page) == ['images-0', 'images-1', 'test-images-0', 'test-images-1']
    assert 'were tested' not in page
    write_study(tmp_path, result)
    assert read_study_result(tmp_path) == result


def test_runs_that_were_not_tested_are_left_out_of_the_test_sets():
    result = on_test_sets(level=0.3, left_out=[('plain', 2)])
    assert _warnings(result) == ['3 of 4 runs were tested on the test sets.']
    assert result.tests.comparisons[0].verdict == 'cannot be told apart: +0.340 dB (1 seed)'
    assert on_test_sets(0.3, [(name, seed) for name in LEVELS for seed in (1, 2)]).tests is None


def test_a_study_that_is_not_finished_says_n(tmp_path):
    unfinished = study(left_out=[('plain', 2)])
    figures, differences, *_ = study_tables(unfinished)
    assert [row[-1] for row in figures.rows] == ['1', '2']
    assert figures.rows[0][1] == '30.100'
    assert differences.rows == [['with_#1', '+0.260', '+0.260', '+0.260', '1']]
    assert '3 of 4 runs are done' in figures.below
    build_study_report(unfinished, tmp_path)
    assert '3 of 4 runs are done: n says of how many seeds a figure is.' in (tmp_path / 'index.html').read_text()
    build_study_report(study(left_out=[(name, seed) for name in LEVELS for seed in (1, 2)]), tmp_path)
    assert '0 of 4 runs are done' in (tmp_path / 'index.html').read_text()


def test_every_figure_is_in_the_csv_at_full_length():
    result = study()
    lines = list(csv.DictReader(io.StringIO(study_to_csv(result))))
    by_key = {(each['kind'], each['variant'], each['set'], each['image'], each['seed'], each['metric']): each
              for each in lines}  # fmt: skip
    assert len(by_key) == len(lines) == 2 * 3 * 2 + 2 * 2 * 2 + 2 * 2 * 2 * 2 + 3 * 2
    whole = by_key['figure', 'plain', ALL_SETS, '', '', 'psnr_y']
    assert (float(whole['mean']), float(whole['std'])) == (
        pytest.approx(28.15), pytest.approx(np.std([28.1, 28.2], ddof=1)),
    )  # fmt: skip
    assert float(by_key['run', 'with_#1', 'Set14', '', '2', 'psnr_y']['mean']) == pytest.approx(26.47)
    assert by_key['image', 'plain', 'Set5', 'baby', '', 'niqe']['n'] == '2'
    difference = by_key['difference', 'with_#1', 'Set5', '', '', 'psnr_y']
    assert (difference['reference'], difference['n']) == ('plain', '2')
    assert float(difference['low']) == result.differences[0].low


def test_tables_are_free_of_times_and_of_words_that_mean_something_else(tmp_path):
    slow, fast = tmp_path / 'slow', tmp_path / 'fast'
    for out, pace in ((slow, 2.0), (fast, 0.5)):
        build_study_report(study(pace=pace), out)
    for name in ('tables.md', 'tables.csv', 'tables.tex'):
        assert (slow / name).read_bytes() == (fast / name).read_bytes()
    assert (slow / 'index.html').read_text() != (fast / 'index.html').read_text()
    assert '| with\\_\\#1 | 30.415 ± ' in study_to_markdown(study_tables(study()))
    latex = study_to_latex(study_tables(study()))
    assert 'with\\_\\#1 & $+' not in latex
    assert 'plain & 30.150 $\\pm$ 0.071 & ' in latex
    assert 'A &lt;study&gt;' in (slow / 'index.html').read_text()


def test_the_band_is_one_standard_deviation_wide():
    figure = learning_curves_figure(study(), 'psnr_y')
    assert [axes.get_title(loc='left') for axes in figure.axes] == ['Set5', 'Set14', ALL_SETS]
    (axes, *_) = figure.axes
    line, band = axes.lines[0], axes.collections[0].get_paths()[0].vertices
    assert line.get_ydata() == pytest.approx([30.15 - 6 / at for at in (1, 10, 20, 30)])
    at_end = band[band[:, 0] == 30, 1]
    assert (at_end.min(), at_end.max()) == pytest.approx((29.95 - 0.0707107, 29.95 + 0.0707107), abs=1e-6)


def test_intervals_are_drawn_where_they_are():
    figure = differences_figure(study(), 'psnr_y')
    drawn = [line.get_xdata() for line in figure.axes[0].lines]
    assert [len(each) for each in drawn] == [2, 2, 1]
    assert list(drawn[1]) == pytest.approx([0.265 - 0.0635310, 0.265 + 0.0635310], abs=1e-6)
    assert list(drawn[2]) == pytest.approx([0.265])
    single = differences_figure(study(seeds=(1,)), 'psnr_y')
    assert [len(line.get_xdata()) for line in single.axes[0].lines] == [2, 1]
    assert len({axes.get_xlim() for axes in figure.axes}) == 1


def test_the_report_shows_the_folder_of_a_study(tmp_path, capsys):
    write_study(tmp_path, study())
    out = tmp_path / 'report'
    assert main(['report', str(tmp_path), '--out', str(out)]) == 0
    assert 'with_#1  +0.265 [+0.201, +0.329]' in capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == ['index.html', 'tables.csv', 'tables.md', 'tables.tex']
    page = (out / 'index.html').read_text()
    for anchor in ('tables', 'differences', 'curves', 'times', 'images'):
        assert f'<section id="{anchor}">' in page
    assert main(['report', str(tmp_path), str(tmp_path), '--out', str(out)]) == 2
    assert 'holds a study, which has a page of its own: name it alone' in capsys.readouterr().err
    assert main(['report', str(tmp_path), '--out', str(out), '--title', 'x', '--examples', '1']) == 2
    assert 'for whose page there is no --examples or --title: leave it out' in capsys.readouterr().err


def test_whether_the_seconds_were_equal_is_told_by_the_runs_themselves():
    pace = {'plain': {1: 0.5, 2: 0.1, 3: 0.2}, 'with_#1': {}}
    result = replace(study(), times=Times(pace), budget=None)
    assert seconds_table(result).rows == [['plain', '0.2', '3']]
    result = replace(result, budget=Budget(30, {'plain': 4.0, 'with_#1': 2.0}, {'plain': 120, 'with_#1': 60}, []))
    assert seconds_table(result).heads[-1] == 'seconds of all iterations'
    assert seconds_table(result).rows == [['plain', '0.2', '3', '24.0']]
    assert seconds_table(replace(result, times=Times())) is None


def test_a_set_that_changed_between_runs_is_warned_of():
    result = study()
    assert _warnings(result) == []
    images = {
        name: {**sets, 'Set5': {**sets['Set5'], 'new': sets['Set5']['baby']}} for name, sets in result.images.items()
    }
    assert _warnings(replace(result, images=images)) == []
    images['plain'] = result.images['plain']
    (warning,) = _warnings(replace(result, images=images))
    assert warning == 'Set5 was not the same for all runs, and their means do not compare: not all of them have new.'
    partly = {metric: replace(figure, n=1) for metric, figure in result.images['plain']['Set14']['baby'].items()}
    images = {**result.images, 'plain': {**result.images['plain'], 'Set14': {'baby': partly}}}
    (warning,) = _warnings(replace(result, images=images))
    assert warning.startswith('Set14 was not the same for all runs')
    # One run whose images are known, of several: as in a study that goes on from records without them.
    assert _warnings(replace(result, images=images, with_images={'plain': {'Set14': 1}})) == []


def test_two_metrics_of_one_kind_are_told_apart():
    cropped = {'psnr_y': METRICS['psnr_y'], 'uncut': {**METRICS['psnr_y'], 'crop_border': 0}}
    assert [label_of(name, METRICS) for name in METRICS] == ['PSNR-Y', 'niqe']
    assert [label_of(name, cropped) for name in cropped] == ['psnr_y', 'uncut']


def test_a_study_that_is_kept_without_its_images_has_a_report(tmp_path, capsys):
    write_study(tmp_path, replace(study(), images={}))
    assert main(['report', str(tmp_path), '--out', str(tmp_path / 'report')]) == 0
    lines = list(csv.DictReader((tmp_path / 'report/tables.csv').open()))
    assert {line['kind'] for line in lines} == {'figure', 'run', 'difference'}
