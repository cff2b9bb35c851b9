"""study.json from runs whose figures are known."""

import json
import math
import statistics
from dataclasses import replace
from types import SimpleNamespace

import pytest

from bsr_plugin.errors import InputError
from bsr_plugin.study.definition import Comparison
from bsr_plugin.study.planning import Plan
from bsr_plugin.study.record import ALL_SETS, RunRecord, SetRecord
from bsr_plugin.study.results import read_study_result, study_result, write_study

METRICS = {'psnr_y': {'type': 'calculate_psnr', 'crop_border': 2, 'test_y_channel': True}}
PSNR = {('a', 1): (30.0, 40.0), ('a', 2): (31.0, 42.0), ('b', 1): (30.5, 40.2), ('b', 2): (31.1, 42.8)}
CURVES = {'a': {10: 29.0, 20: 30.0}, 'b': {10: 29.0, 20: 31.0}}


def run(variant, seed, pace=0.5):
    first, second = PSNR[variant, seed]
    means = {'Set5': {'psnr_y': first}, 'Set14': {'psnr_y': second}, ALL_SETS: {'psnr_y': (first + second) / 2}}
    images = {'Set5': {'baby': {'psnr_y': first - 1}, 'bird': {'psnr_y': first + 1}}}
    curves = {name: {'psnr_y': {at: value + seed for at, value in CURVES[variant].items()}} for name in means}
    return RunRecord(variant, seed, 'digest', means, images, curves, pace * seed, {})


@pytest.fixture
def small_plan():
    cell = SimpleNamespace(test={'val': {'metrics': METRICS}})
    return Plan('small', 'a', ('a', 'b'), (1, 2), (cell,) * 4)


def test_the_two_keys_that_others_read(small_plan, tmp_path):
    result = study_result(small_plan, [run(*cell) for cell in reversed(PSNR)])
    content = json.loads(write_study(tmp_path, result).read_text())
    std = statistics.stdev([30.0, 31.0])
    assert content['variants']['a']['Set5'] == {'psnr_y': {'mean': 30.5, 'std': pytest.approx(std), 'n': 2}}
    assert list(content['variants']['a']) == ['Set5', 'Set14']
    (first, second, both) = content['differences']
    assert (first['variant'], first['reference'], first['set'], first['metric'], first['n']) == (
        'b', 'a', 'Set5', 'psnr_y', 2,
    )  # fmt: skip
    assert first['mean'] == pytest.approx(0.3)
    # t of 1 degree of freedom: 12.7062; differences 0.5 and 0.1, so a standard error of 0.2.
    assert (first['low'], first['high']) == (
        pytest.approx(0.3 - 2.54124, abs=1e-4),
        pytest.approx(0.3 + 2.54124, abs=1e-4),
    )
    assert (second['set'], both['set']) == ('Set14', ALL_SETS)
    assert both['mean'] == pytest.approx((0.3 + 0.5) / 2)
    assert content['means']['b']['psnr_y']['mean'] == pytest.approx((30.5 + 40.2 + 31.1 + 42.8) / 4)
    assert content['images']['b']['Set5']['bird']['psnr_y']['mean'] == pytest.approx((30.5 + 31.1) / 2 + 1)
    assert content['values']['b']['2'] == {'Set5': {'psnr_y': 31.1}, 'Set14': {'psnr_y': 42.8}}
    assert read_study_result(tmp_path) == result


def test_claims_stand_beside_the_differences(small_plan, tmp_path):
    comparison = Comparison(says='a is better.', better='a', than='b')
    result = study_result(replace(small_plan, comparisons=(comparison,)), [run(*cell) for cell in PSNR])
    (found,) = json.loads(write_study(tmp_path, result).read_text())['comparisons']
    assert found['differences'][0]['mean'] == pytest.approx(-0.3)
    assert found['verdict'].startswith('cannot be told apart: -0.400 [')
    assert [each.mean for each in result.differences] == [-each['mean'] for each in found['differences']]
    assert read_study_result(tmp_path) == result
    content = json.loads((tmp_path / 'study.json').read_text())
    del content['comparisons']
    (tmp_path / 'study.json').write_text(json.dumps(content))
    assert read_study_result(tmp_path).comparisons == []


def test_iterations_and_seconds_to_the_final_figure_of_the_reference(small_plan):
    result = study_result(small_plan, [run(*cell) for cell in PSNR])
    reach = {(each.variant, each.set): each for each in result.reach}
    assert reach['b', 'Set5'].seeds == {1: 15.0, 2: 15.0}
    assert (reach['b', 'Set5'].median, reach['a', 'Set5'].median) == (15.0, 20.0)
    seconds = {(each.variant, each.set): each for each in result.times.reach}
    assert seconds['b', 'Set14'].seeds == {1: 7.5, 2: 15.0}
    assert seconds['b', 'Set14'].median == 11.25


def test_never_is_later_than_anything(small_plan, monkeypatch):
    monkeypatch.setitem(CURVES, 'b', {10: 29.0, 20: 29.9})
    result = study_result(small_plan, [run(*cell) for cell in PSNR])
    reach = next(each for each in result.reach if each.variant == 'b')
    assert (reach.seeds, reach.median) == ({1: None, 2: None}, None)


def test_a_study_that_is_not_finished_says_how_many_runs_each_figure_is_of(small_plan):
    result = study_result(small_plan, [run('a', 1), run('b', 1), run('b', 2)])
    assert (result.done, result.planned) == (3, 4)
    assert (result.variants['a']['Set5']['psnr_y'].n, result.variants['b']['Set5']['psnr_y'].n) == (1, 2)
    assert result.variants['a']['Set5']['psnr_y'].std is None
    (difference, *_) = result.differences
    assert (difference.mean, difference.low, difference.high, difference.n) == (0.5, None, None, 1)
    without_reference = study_result(small_plan, [run('b', 1)])
    assert (without_reference.differences, without_reference.reach) == ([], [])
    empty = study_result(small_plan, [])
    assert (empty.done, empty.variants) == (0, {'a': {}, 'b': {}})


def test_images_that_not_all_runs_have_measured_say_of_how_many_they_are(small_plan, tmp_path):
    first, second = run('b', 1), run('b', 2)
    added = {'Set5': {**second.images['Set5'], 'new': {'psnr_y': 33.0}}, 'Other': {'x': {'psnr_y': 20.0}}}
    del added['Set5']['bird']
    result = study_result(small_plan, [run('a', 1), run('a', 2), first, replace(second, images=added)])
    images = result.images['b']
    assert {name: figures['psnr_y'].n for name, figures in images['Set5'].items()} == {'baby': 2, 'bird': 1, 'new': 1}
    assert images['Set5']['bird']['psnr_y'].mean == 31.5
    assert images['Set5']['new']['psnr_y'].mean == 33.0
    assert images['Other']['x']['psnr_y'].mean == 20.0
    assert read_study_result(write_study(tmp_path, result).parent) == result


def test_runs_that_kept_no_images_are_not_counted_among_those_that_did(small_plan):
    result = study_result(small_plan, [run('a', 1), replace(run('a', 2), images={}), run('b', 1), run('b', 2)])
    assert result.with_images == {'a': {'Set5': 1}, 'b': {'Set5': 2}}
    assert result.images['a']['Set5']['baby']['psnr_y'].n == 1


def test_where_the_reference_ends_with_no_figure_there_is_nothing_to_reach(small_plan):
    runs = {cell: run(*cell) for cell in PSNR}
    broken = {name: {'psnr_y': {10: 29.0, 20: math.nan}} for name in runs['a', 1].curves}
    result = study_result(small_plan, [*{**runs, ('a', 1): replace(runs['a', 1], curves=broken)}.values()])
    assert {tuple(each.seeds) for each in result.reach} == {(2,)}
    missing = [replace(run('a', seed), curves={ALL_SETS: {'psnr_y': {}}}) for seed in (1, 2)]
    assert study_result(small_plan, missing).reach == []


def test_a_set_that_few_are_tested_on_so_far_leaves_the_others_as_they_are(small_plan):
    def tested(cell, *names):
        sets = {name: SetRecord('digest', {'psnr_y': 33.0}, {}) for name in names}
        return replace(run(*cell), tests=sets)

    plan = replace(small_plan, test_sets=('Third', 'Fourth'))
    first, second, *others = PSNR
    runs = [tested(first, 'Third', 'Fourth'), tested(second, 'Third'), *(tested(each, 'Third') for each in others)]
    found = study_result(plan, runs).tests
    assert (found.done, list(found.variants['a'])) == (4, ['Third'])
    found = study_result(plan, [tested(each, 'Third', 'Fourth') for each in PSNR]).tests
    assert (found.done, list(found.variants['a'])) == (4, ['Third', 'Fourth'])
    assert study_result(plan, [run(*cell) for cell in PSNR]).tests is None


def test_a_perfect_image_leaves_the_study_readable(small_plan, tmp_path):
    runs = [run(*cell) for cell in PSNR]
    perfect = {name: {'psnr_y': {10: 29.0, 20: math.inf}} for name in runs[0].curves}
    result = study_result(small_plan, [replace(each, curves=perfect) for each in runs])
    assert {each.median for each in result.reach} == {20.0}
    assert read_study_result(write_study(tmp_path, result).parent) == result


@pytest.mark.parametrize(
    ('content', 'sentence'),
    [
        (None, 'bsr study writes it'),
        ('{', 'cannot be read'),
        ('{"format": 9}', 'has format 9'),
        ('[]', 'cannot be read'),
    ],
)
def test_what_is_not_a_study_is_one_sentence(tmp_path, content, sentence):
    if content is not None:
        (tmp_path / 'study.json').write_text(content)
    with pytest.raises(InputError, match=sentence):
        read_study_result(tmp_path)


@pytest.mark.parametrize(
    ('machines', 'told'),
    [
        ((None,) * 4, None),
        (('one',) * 4, 'one'),
        (
            ('one', 'two', 'two', None),
            'two (2 of 4 runs); one (1 of 4 runs); a machine that is not known (1 of 4 runs)',
        ),
    ],
)
def test_machines_are_those_of_the_runs(small_plan, machines, told):
    runs = [replace(run(*cell), machine=name) for cell, name in zip(PSNR, machines, strict=True)]
    assert study_result(small_plan, runs).times.machine == told
    assert study_result(small_plan, []).times.machine is None
