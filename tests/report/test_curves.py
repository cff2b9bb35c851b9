"""Training curves are what the log holds."""

import numpy as np
import pytest

from bsr_plugin.errors import InputError
from bsr_plugin.report.curves import Curve, curves_figure, read_curves, thinned


def test_the_log_of_a_run_that_was_resumed(tmp_path, log_writer):
    log_writer(tmp_path, {'losses/l_pix': [(10, 0.5), (20, 0.4), (30, 9.0)], 'metrics/Set5/psnr': [(20, 30.5)]})
    log_writer(tmp_path, {'losses/l_pix': [(30, 0.3), (40, 0.2)]})

    curves = read_curves(tmp_path)

    assert sorted(curves) == ['losses/l_pix', 'metrics/Set5/psnr']
    assert curves['losses/l_pix'].iterations.tolist() == [10, 20, 30, 40]
    assert curves['losses/l_pix'].values == pytest.approx([0.5, 0.4, 0.3, 0.2])


def test_a_folder_without_a_log_is_named(tmp_path):
    with pytest.raises(InputError, match=f'{tmp_path} holds no TensorBoard log'):
        read_curves(tmp_path)


def test_long_curves_are_averaged_over_equal_stretches():
    curve = thinned(Curve(np.arange(1, 11), np.arange(10.0)), points=4)
    assert curve.iterations.tolist() == [3, 6, 9, 10]
    assert curve.values.tolist() == [1, 4, 7, 9]
    short = Curve(np.arange(4), np.ones(4))
    assert thinned(short, points=4).values.tolist() == short.values.tolist()


def test_several_runs_are_overlaid_in_one_panel_for_each_scalar():
    loss, metric = (Curve(np.array([1, 2]), np.array(values)) for values in ([0.2, 0.1], [30.0, 31.0]))
    figure = curves_figure({'a': {'losses/l_pix': loss, 'metrics/Set5/psnr': metric}, 'b': {'losses/l_pix': metric}})

    panels = {axes.get_title('left'): axes for axes in figure.axes}
    assert list(panels) == ['metrics/Set5/psnr', 'losses/l_pix']
    lines = [line for line in panels['losses/l_pix'].lines if len(line.get_xdata())]
    assert [line.get_label() for line in lines] == ['a', 'b']
    assert lines[0].get_ydata().tolist() == [0.2, 0.1]
    assert lines[0].get_color() != lines[1].get_color()
    assert panels['losses/l_pix'].get_yscale() == 'log'
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ['a', 'b']
