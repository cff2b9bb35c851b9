"""What networks cost, published and tested."""

import pytest

from bsr_plugin.evaluation.results import RunResult
from bsr_plugin.report.cost import Cost, cost_of_run, in_thousands, published_cost
from bsr_plugin.report.published import published
from bsr_plugin.report.small_networks import small_network, small_networks

PIXELS = 1280 * 720


def run_of(**network):
    return RunResult('x', network, 1234, None, None, {})


def test_a_run_costs_what_its_network_does():
    run = run_of(type='BSRNet', num_feat=4, num_group=1, num_block=1, upscale=2, upsampler='direct', attention='none')
    per_lr_pixel = 9 * 3 * 4 + 2 * 9 * 4 * 4 + 2 * 4 * 4 + 9 * 4 * 12
    assert cost_of_run(run) == Cost(1234, per_lr_pixel / 4)


@pytest.mark.parametrize(
    'network',
    [
        {'type': 'OfAnotherPlugin'},
        {'type': 'BSRNet', 'depth': 3},
        {'type': 'BSRNet', 'upscale': 5},
        {'type': 'VGGStyleDiscriminator', 'num_in_ch': 3, 'num_feat': 4},  # images of 128x128 only
        {'type': 'BasicVSR', 'num_feat': 4, 'num_block': 1},  # videos
    ],
)
def test_of_a_network_that_cannot_be_counted_the_weights_are_known(network):
    assert cost_of_run(run_of(**network)) == Cost(1234, None)


def test_costs_are_printed_in_thousands():
    assert [in_thousands(value) for value in (665_000, 1_234_567, 7_375_130.2, 46_512.25, 2_431, None)] == [
        *('665 K', '1,235 K', '7,375 K', '46.5 K', '2.4 K', '')
    ]


def test_published_costs_are_those_of_the_layers():
    # VDSR: 20 convolutions 3x3 on the HR grid's Y, 64 channels. DRRN: 52 of 128 channels, those of its 25 units shared.
    vdsr = 9 * (64 + 18 * 64 * 64 + 64)
    drrn, weights = 9 * (128 + 50 * 128 * 128 + 128), 9 * (128 + 2 * 128 * 128 + 128)
    for scale in (2, 3, 4):
        assert published_cost('VDSR', scale).parameters == pytest.approx(vdsr, abs=500)
        assert published_cost('VDSR', scale).macs_per_pixel == pytest.approx(vdsr, abs=0.05e9 / PIXELS)
        assert published_cost('DRRN', scale).parameters == pytest.approx(weights, abs=500)
        assert published_cost('DRRN', scale).macs_per_pixel == pytest.approx(drrn, abs=0.05e9 / PIXELS)


def test_what_is_not_known_is_not_made_up():
    assert published_cost('NLRN', 2) == Cost(350_000, None)
    assert published_cost('LapSRN', 3) == published_cost('RCAN', 2) == Cost()
    assert small_network('IDN', 8) is None


def test_small_networks_have_the_figures_of_the_paper_where_it_has_them():
    lines = {(each.method, each.scale, each.dataset): each.psnr for each in small_networks()}
    assert len(lines) == len(small_networks()) == 6 * 3 * 4
    assert (lines['IDN', 2, 'Set5'], lines['NLRN', 4, 'Urban100']) == (37.83, 25.79)
    # Of Set14 two versions are in use, and networks were tested on either.
    both = {
        key: cell.psnr
        for cell in published()
        if (key := (cell.method, cell.scale, cell.dataset)) in lines
        and (cell.table, cell.misprint) in ((2, ''), (2, 'ssim'))
        and cell.dataset != 'Set14'
    }
    assert len(both) > 20
    assert both == pytest.approx({key: lines[key] for key in both}, abs=0.011)
