"""Attention maps and weights are the network's."""

import numpy as np
import pytest
import torch

from bsr_plugin.errors import InputError
from bsr_plugin.evaluation.results import read_results
from bsr_plugin.report.attention import Attention, attention_figure, load_network, measure_attention


def test_the_maps_are_those_of_the_tested_weights(project):
    run = read_results(project.first)
    lr = np.random.default_rng(0).integers(0, 256, (20, 24, 3), np.uint8)

    (attention,) = measure_attention(run, [lr])

    with torch.no_grad():
        batch = torch.from_numpy(lr[..., ::-1].copy()).permute(2, 0, 1)[None] / 255
        expected = project.network.eval().attention_maps(batch)
    np.testing.assert_allclose(attention.maps, np.stack([m[0, 0].numpy() for m in expected]), atol=1e-6)
    np.testing.assert_allclose(attention.means, [m.mean().item() for m in expected], atol=1e-6)
    np.testing.assert_array_equal(attention.image, lr[..., ::-1])
    assert attention.maps.std() > 0.1


def test_large_images_are_cut_to_their_middle(project):
    (attention,) = measure_attention(read_results(project.first), [np.zeros((30, 300, 3), np.uint8)])
    assert attention.maps.shape == (3, 30, 128)


def test_the_figure_shows_mean_weights_and_maps():
    maps = [np.full((4, 4), value, np.float32) for value in (0.2, 0.6)]
    other = [np.full((4, 4), value, np.float32) for value in (0.4, 0.6)]
    image = np.zeros((4, 4, 3), np.uint8)
    figure = attention_figure([Attention(image, np.stack(maps)), Attention(image, np.stack(other))])

    upper, lower = figure.subfigs
    assert [bar.get_height() for bar in upper.axes[0].patches] == pytest.approx([0.3, 0.6])
    shown = [axes.images[0] for axes in lower.axes if axes.images]
    assert [axes.get_title() for axes in lower.axes[:3]] == ['LR image', 'A1: mean 0.200', 'A2: mean 0.600']
    assert (shown[1].get_array() == np.float32(0.2)).all()
    assert (shown[1].norm.vmin, shown[1].norm.vmax) == (0, 1)


def test_what_has_no_attention_or_no_weights_any_more_is_named(project, tmp_path):
    from dataclasses import replace

    run = read_results(project.first)
    with pytest.raises(InputError, match='first tested a EDSR without attention'):
        load_network(replace(run, network={'type': 'EDSR'}))
    with pytest.raises(InputError, match='first tested a BSRNet without attention'):
        load_network(replace(run, network={**run.network, 'attention': 'none'}))
    with pytest.raises(InputError, match='first tested a random network'):
        load_network(replace(run, weights=None))
    with pytest.raises(InputError, match=r'gone\.pth does not exist'):
        load_network(replace(run, weights=str(tmp_path / 'gone.pth')))
    torch.save({'params': {'conv_first.weight': torch.zeros(1)}}, tmp_path / 'other.pth')
    with pytest.raises(InputError, match=r'other\.pth: the weights are not those of a BSRNet'):
        load_network(replace(run, weights=str(tmp_path / 'other.pth')))
