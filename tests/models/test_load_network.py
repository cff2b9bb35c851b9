"""A network comes back from its file alone."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bsr_plugin.archs.bsr_arch import BSRNet
from bsr_plugin.errors import InputError
from bsr_plugin.models.load_network import load_bsrnet

SMALL = {'num_feat': 3, 'num_group': 2, 'num_block': 1, 'upscale': 2}
ARGUMENTS = st.fixed_dictionaries(
    {
        'num_feat': st.integers(1, 4),
        'num_group': st.integers(1, 3),
        'num_block': st.integers(1, 3),
        'upscale': st.sampled_from((2, 3, 4, 8)),
        'skip_connections': st.booleans(),
        'attention': st.sampled_from(('spatial', 'scalar', 'none')),
        'expansion': st.integers(1, 3),
        'upsampler': st.sampled_from(('pixelshuffle', 'direct')),
    }
)


def forms(network):
    """The same weights in all the files they come in."""
    weights = network.state_dict()
    return {
        'weights': {'params': weights},
        'average': {'params_ema': weights, 'params': {name: value * 0 for name, value in weights.items()}},
        'bare': weights,
        'parallel': {'params': {f'module.{name}': value for name, value in weights.items()}},
        'half': {'params': {name: value.bfloat16() for name, value in weights.items()}},
    }


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arguments=ARGUMENTS, seed=st.integers(0, 99))
def test_files_without_a_description_give_the_network_back(tmp_path, arguments, seed):
    torch.manual_seed(seed)
    network = BSRNet(**arguments).requires_grad_(False)
    for weight in network.parameters():
        weight.copy_(torch.randn_like(weight).bfloat16() / 8)
    image = torch.rand(1, 3, 5, 6)
    for form, content in forms(network).items():
        torch.save(content, tmp_path / 'net.pth')
        loaded = load_bsrnet(tmp_path / 'net.pth')
        assert not loaded.training, form
        assert all(value.dtype == torch.float32 for value in loaded.state_dict().values()), form
        assert torch.equal(loaded(image), network(image)), form


@pytest.mark.parametrize('img_range', [1.0, 255.0])
@pytest.mark.parametrize('model_type', ['BSRModel', 'SRModel'])
def test_what_the_engines_save_gives_the_network_back(build, batches, train, tmp_path, img_range, model_type):
    section = {'img_range': img_range, 'rgb_mean': [0.1, 0.2, 0.3], 'attention': 'scalar', 'skip_connections': False}
    model = train(build(network_g=section, model_type=model_type), batches(2), save_at=(2,))
    path = tmp_path / 'experiments/tiny/models/net_g_2.pth'
    image = torch.rand(1, 3, 5, 6) * img_range
    known = section if model_type == 'SRModel' else {}
    for key, network in (('params', model.net_g), ('params_ema', model.net_g_ema), (None, model.net_g_ema)):
        loaded = load_bsrnet(path, key, known)
        assert torch.equal(loaded(image), network(image))
    assert not torch.equal(model.net_g(image), model.net_g_ema(image))


@pytest.mark.parametrize(
    ('entry', 'sentence'),
    [
        ({'num_feat': 4}, 'num_feat is 3, but its entry network_g says 4'),
        ({'upscale': 4}, 'upscale is 2, but its entry network_g says 4'),
        ({'attention': 'none'}, 'attention is spatial, but its entry network_g says none'),
        ({'skip_connections': False}, 'skip_connections is True, but its entry network_g says False'),
        ({'expansion': 2}, 'expansion is 1, but its entry network_g says 2'),
        ({'upsampler': 'direct'}, 'upsampler is pixelshuffle, but its entry network_g says direct'),
        ({'type': 'EDSR'}, 'holds the weights of EDSR, not of BSRNet'),
        ({'window': 8}, 'was made by a later version of bsr_plugin: .*window'),
        ({'img_range': 0}, 'img_range is 0'),
    ],
)
def test_a_file_that_contradicts_itself_is_an_error(tmp_path, entry, sentence):
    weights = BSRNet(**SMALL).state_dict()
    torch.save({'params': weights, 'network_g': {'type': 'BSRNet', **SMALL, **entry}}, tmp_path / 'net.pth')
    with pytest.raises(InputError, match=f'net.pth.* {sentence}'):
        load_bsrnet(tmp_path / 'net.pth')


def test_what_the_caller_knows_must_agree_too(tmp_path):
    weights = BSRNet(**SMALL).state_dict()
    torch.save({'params': weights, 'network_g': {'rgb_mean': (0.1, 0.2, 0.3)}}, tmp_path / 'net.pth')
    load_bsrnet(tmp_path / 'net.pth', 'params', {'type': 'BSRNet', 'rgb_mean': [0.1, 0.2, 0.3]})
    with pytest.raises(InputError, match=r'rgb_mean is \(0.1, 0.2, 0.3\), but network_g of the options says 0.4'):
        load_bsrnet(tmp_path / 'net.pth', 'params', {'rgb_mean': 0.4})


def test_a_single_group_with_and_without_skip_connections_is_one_network(tmp_path):
    one = {**SMALL, 'num_group': 1}
    for said in (True, False):
        network = BSRNet(skip_connections=said, **one)
        torch.save({'params': network.state_dict(), 'network_g': {**one, 'skip_connections': said}}, tmp_path / 'a.pth')
        image = torch.rand(1, 3, 4, 4)
        assert torch.equal(load_bsrnet(tmp_path / 'a.pth')(image), network(image))


def test_other_networks_and_damaged_ones_are_named(tmp_path):
    torch.save({'params': {'head.weight': torch.zeros(3)}}, tmp_path / 'a.pth')
    with pytest.raises(
        InputError, match=r'a\.pth: the weights are not those of a BSRNet: the convolution conv_first is missing'
    ):
        load_bsrnet(tmp_path / 'a.pth')
    weights = BSRNet(**SMALL).state_dict()
    weights['body.1.blocks.0.conv1.bias'] = torch.zeros(2)
    torch.save({'params': weights}, tmp_path / 'b.pth')
    with pytest.raises(
        InputError, match=r'b\.pth does not fit BSRNet: body\.1\.blocks\.0\.conv1\.bias is 2 in the file'
    ):
        load_bsrnet(tmp_path / 'b.pth')
