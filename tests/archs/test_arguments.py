"""What a network was called with is read from its tensors."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bsr_plugin.archs.arguments import arguments_of
from bsr_plugin.archs.bsr_arch import UPSCALES, BSRNet
from bsr_plugin.errors import InputError

ARGUMENTS = st.fixed_dictionaries(
    {
        'num_in_ch': st.integers(1, 4),
        'num_out_ch': st.integers(1, 4),
        'num_feat': st.integers(1, 6),
        'num_group': st.integers(2, 12),
        'num_block': st.integers(1, 11),
        'upscale': st.sampled_from(UPSCALES),
        'skip_connections': st.booleans(),
        'attention': st.sampled_from(('spatial', 'scalar', 'none')),
        'expansion': st.integers(1, 5),
        'upsampler': st.just('pixelshuffle'),
    }
)
DIRECT = st.integers(1, 4).map(lambda channels: dict.fromkeys(('num_in_ch', 'num_out_ch'), channels))
DIRECT = DIRECT.map(lambda channels: {**channels, 'upsampler': 'direct'})


@settings(deadline=None, max_examples=40)
@given(ARGUMENTS, st.just({}) | DIRECT)
def test_the_tensors_tell_every_argument_but_the_constants(arguments, direct):
    arguments = {**arguments, **direct}
    with torch.device('meta'):
        network = BSRNet(rgb_mean=0.4, **arguments)
    assert arguments_of(network.state_dict()) == arguments


def test_a_single_group_is_connected_either_way():
    one = {'num_feat': 2, 'num_group': 1, 'num_block': 1}
    told = [arguments_of(BSRNet(skip_connections=said, **one).state_dict()) for said in (False, True)]
    assert told[0] == told[1]
    assert 'skip_connections' not in told[0]


@pytest.mark.parametrize('gone', ['conv_first', 'conv_last', 'conv_fuse', 'upsample.0', 'body'])
def test_tensors_of_another_network_are_refused(gone):
    weights = BSRNet(num_feat=2, num_group=2, num_block=1).state_dict()
    with pytest.raises(InputError, match=f'not those of a BSRNet: the convolution {gone}.* is missing'):
        arguments_of({name: value for name, value in weights.items() if not name.startswith(gone)})
    flat = {name: value.flatten() if name.startswith(gone) else value for name, value in weights.items()}
    with pytest.raises(InputError, match='not those of a BSRNet'):
        arguments_of(flat)


@pytest.mark.parametrize('upscale', UPSCALES)
def test_convolutions_of_no_upsampler_are_refused(upscale):
    options = {'num_feat': 8, 'num_group': 1, 'num_block': 1, 'upscale': upscale}
    direct = BSRNet(upsampler='direct', **options).state_dict()
    with pytest.raises(InputError, match=r'the convolution conv_last is missing'):
        arguments_of({name: value for name, value in direct.items() if not name.startswith('conv_last')})
    direct['conv_last.weight'] = direct['conv_last.weight'][1:]
    with pytest.raises(InputError, match=r'the convolution upsample\.0 is missing'):
        arguments_of(direct)
