"""``uint8: true`` gives every engine and network the figures of ``uint8: false``."""

import copy

import pytest
import torch
from basicsr.data import build_dataloader, build_dataset
from basicsr.models import build_model

import bsr_plugin  # noqa: F401 - registers the data set

NETWORKS = {
    'BSRNet': {'num_feat': 4, 'num_group': 1, 'num_block': 1, 'upscale': 2},
    # The first two subtract a mean colour of the input's type, so that a convolution sees floats whatever they get.
    'EDSR': {'num_in_ch': 3, 'num_out_ch': 3, 'num_feat': 4, 'num_block': 1, 'upscale': 2, 'img_range': 255.0},
    'RCAN': {'num_in_ch': 3, 'num_out_ch': 3, 'num_feat': 4, 'num_group': 1, 'num_block': 1, 'squeeze_factor': 2,
             'upscale': 2},
    'RRDBNet': {'num_in_ch': 3, 'num_out_ch': 3, 'num_feat': 4, 'num_block': 1, 'num_grow_ch': 2, 'scale': 2},
    'MSRResNet': {'num_in_ch': 3, 'num_out_ch': 3, 'num_feat': 4, 'num_block': 1, 'upscale': 2},
}  # fmt: skip


def trained_and_validated(opt, uint8):
    """Weights and PSNR after two iterations of the toolbox's engine."""
    opt = copy.deepcopy(opt)
    opt['path'] = {**opt['path'], 'visualization': ''}
    loaders = {}
    for phase, data in opt['datasets'].items():
        data |= {'type': 'RFSPairedImageDataset', 'phase': phase, 'scale': 2, 'uint8': uint8}
        loaders[phase] = build_dataloader(build_dataset(data), data, sampler=range(8), seed=0)
    torch.manual_seed(0)
    model = build_model({**opt, 'dist': False, 'rank': 0, 'world_size': 1, 'is_train': True})
    for iteration, batch in enumerate(loaders['train'], 1):
        model.feed_data(batch)
        model.optimize_parameters(iteration)
    model.validation(loaders['val'], 2, None)
    return model.get_bare_model(model.net_g).state_dict(), model.metric_results['psnr'], model.get_current_log()


@pytest.mark.parametrize('network', NETWORKS)
@pytest.mark.parametrize('engine', ['SRModel', 'BSRModel'])
def test_the_figures_are_those_of_floats(options, engine, network):
    opt = options(model_type=engine)
    opt['network_g'] = {'type': network, **NETWORKS[network]}
    weights, psnr, losses = trained_and_validated(opt, uint8=True)
    expected, expected_psnr, expected_losses = trained_and_validated(opt, uint8=False)
    assert losses['l_pix'] == expected_losses['l_pix'] < 3
    assert psnr == expected_psnr
    for name, value in expected.items():
        assert torch.equal(weights[name], value)
