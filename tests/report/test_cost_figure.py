"""The plot of quality against cost."""

import pytest

from bsr_plugin.report.cost import Cost
from bsr_plugin.report.cost_figure import cost_figure, points_of
from bsr_plugin.report.table_model import Cell, Row, Table


def table_of(*rows, scale=2, degradation='bicubic', sets=('Set5', 'holiday')):
    return Table(2, scale, degradation, sets, rows, ('mine', True), ('mine', True))


MINE = Row('mine', True, {'Set5': Cell(37.0), 'holiday': Cell(30.0)}, Cost(180_000, 46_000.0))
SHIPS = Row('BSR x2, shipped', False, {'Set5': Cell(37.9)}, Cost(600_000, 150_000.0), shipped=True)
PAPER = Row('VDSR', False, {'Set5': Cell(37.53)}, Cost(665_000, 664_714.0))


def drawn(axes):
    """Label -> point."""
    labels = [text.get_text() for text in axes.texts]
    points = [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in axes.lines]
    return dict(zip(labels, points, strict=True))


def test_both_costs_of_all_networks_for_which_they_are_known():
    (macs, parameters) = cost_figure(table_of(PAPER, SHIPS, MINE)).axes
    assert (macs.get_xscale(), parameters.get_xscale()) == ('log', 'log')
    assert (macs.get_xlabel(), parameters.get_xlabel()) == ('multiply-accumulates per output pixel', 'parameters')
    points = drawn(macs)
    assert set(points) == {'VDSR', 'LapSRN', 'DRRN', 'MemNet', 'BSR x2, shipped', 'mine'}
    assert points['mine'] == (46_000, 37.0)
    assert points['VDSR'] == (pytest.approx(612.6e9 / 921_600), 37.53)
    points = drawn(parameters)
    assert set(points) == {'VDSR', 'DRRN', 'MemNet', 'IDN', 'NLRN', 'BSR x2, shipped', 'mine'}
    assert (points['NLRN'], points['BSR x2, shipped']) == ((350_000, 38.00), (600_000, 37.9))


def test_a_published_network_is_there_once_and_only_for_its_degradation():
    assert [point.method for point in points_of(table_of(PAPER, MINE), 'Set5')].count('VDSR') == 1
    blurred = table_of(PAPER, MINE, degradation='blur-down', scale=3)
    assert [point.method for point in points_of(blurred, 'Set5')] == ['mine']


def test_a_figure_that_is_nan_and_a_row_without_a_cost_are_no_points():
    broken = Row('broken', True, {'Set5': Cell(float('nan'))}, Cost(1000, 1.0))
    bicubic = Row('Bicubic, measured here', True, {'Set5': Cell(33.66)})
    assert {point.source for point in points_of(table_of(broken, bicubic), 'Set5')} == {'paper'}


def test_a_network_alone_is_no_comparison():
    assert cost_figure(table_of(MINE, sets=('holiday',))) is None
    beside = Row('other', True, {'holiday': Cell(31.0)}, Cost(10, 20.0))
    assert len(cost_figure(table_of(MINE, beside, sets=('holiday',))).axes) == 2


def test_labels_of_an_axis_do_not_crowd():
    macs, parameters = cost_figure(table_of(SHIPS, MINE)).axes
    steps = [{f'{tick:.0e}'[0] for tick in axes.xaxis.get_majorticklocs()} for axes in (macs, parameters)]
    assert steps == [{'1'}, {'1', '2', '5'}]  # a factor of 200, and of 4
    assert macs.xaxis.get_major_formatter()(1e6) == '1,000 K'


def test_labels_cover_neither_points_nor_one_another():
    close = Row('beside it', False, {'Set5': Cell(37.89)}, Cost(640_000, 160_000.0))
    figure = cost_figure(table_of(PAPER, SHIPS, close, MINE, sets=('Set5',)))
    figure.draw_without_rendering()
    for axes in figure.axes:
        boxes = [text.get_window_extent() for text in axes.texts]
        points = [axes.transData.transform(point) for point in drawn(axes).values()]
        for index, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[:index])
            assert not any(box.contains(*point) for point in points)
            assert axes.get_window_extent().contains(*box.min)
            assert axes.get_window_extent().contains(*box.max)
