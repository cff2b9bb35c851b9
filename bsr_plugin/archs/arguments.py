"""The arguments of a BSRNet, read from its weights or from the network."""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from bsr_plugin.archs.bsr_arch import UPSCALES, BSRNet
from bsr_plugin.errors import InputError

#: Convolutions that every BSRNet has.
_CONVOLUTIONS = ('conv_first', 'body.0.blocks.0.conv1', 'conv_fuse', 'conv_last')
_BLOCK = re.compile(r'body\.(\d+)\.blocks\.(\d+)\.conv1\.weight')


def arguments_of(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """What ``BSRNet`` was called with, as far as its tensors tell.

    ``img_range`` and ``rgb_mean`` are never among them: they are constants of the network, not weights. Neither is
    ``skip_connections`` of a network with a single group, where it makes no difference.

    Args:
        weights: A state dict of ``BSRNet``.

    Raises:
        InputError: The tensors are those of another network.
    """
    _check_convolutions(weights, *_CONVOLUTIONS)
    num_feat, num_in_ch = weights['conv_first.weight'].shape[:2]
    direct_upscale = _direct_upscale(weights, num_in_ch)
    if not direct_upscale:
        _check_convolutions(weights, 'upsample.0')
    blocks = [match for match in map(_BLOCK.fullmatch, weights) if match]
    num_group, num_block = (1 + max(int(match[place]) for match in blocks) for place in (1, 2))
    arguments = {
        'num_in_ch': num_in_ch,
        'num_out_ch': num_in_ch if direct_upscale else weights['conv_last.weight'].shape[0],
        'num_feat': num_feat,
        'num_group': num_group,
        'num_block': num_block,
        'upscale': direct_upscale or _upscale(weights, num_feat),
        'attention': _attention(weights),
        'expansion': weights['body.0.blocks.0.conv1.weight'].shape[0] // num_feat,
        'upsampler': 'direct' if direct_upscale else 'pixelshuffle',
    }
    if num_group > 1:
        # F_0 is concatenated with the outputs of all groups, or with the last one's.
        arguments['skip_connections'] = weights['conv_fuse.weight'].shape[1] > 2 * num_feat
    return arguments


def arguments_of_network(network: BSRNet) -> dict[str, Any]:
    """All that ``BSRNet`` is to be called with to get the same network, as plain values; ``rgb_mean`` is a list."""
    # The shortest decimals that are these float32 numbers.
    means = [float(str(mean)) for mean in network.mean.flatten().float().numpy()]
    return {
        **arguments_of(network.state_dict()),
        'skip_connections': network.skip_connections,
        'img_range': network.img_range,
        'rgb_mean': means if len(means) > 1 else means[0],
    }


def _check_convolutions(weights: Mapping[str, Tensor], *names: str) -> None:
    for name in names:
        if f'{name}.weight' not in weights or weights[f'{name}.weight'].dim() != 4:
            raise InputError(
                f'the weights are not those of a BSRNet: the convolution {name} is missing (for another network, use '
                'a checkpoint of BSRModel, which names it, or an ONNX file of it)'
            )


def _direct_upscale(weights: Mapping[str, Tensor], num_in_ch: int) -> int | None:
    """Of a network whose one convolution makes the sub-pixels of as many channels as come in; None of another one."""
    if 'upsample.0.weight' in weights:
        return None
    num_sub_pixel = weights['conv_last.weight'].shape[0]
    return next((factor for factor in UPSCALES if num_sub_pixel == num_in_ch * factor**2), None)


def _upscale(weights: Mapping[str, Tensor], num_feat: int) -> int:
    """One convolution and pixel shuffle for every factor 2, or a single one for factor 3."""
    if weights['upsample.0.weight'].shape[0] == 9 * num_feat:
        return 3
    return int(2 ** sum(name.startswith('upsample.') and name.endswith('.weight') for name in weights))


def _attention(weights: Mapping[str, Tensor]) -> str:
    kinds = {'attention.0.conv.weight': 'spatial', 'attention.0.logit': 'scalar'}
    return next((kind for name, kind in kinds.items() if name in weights), 'none')
