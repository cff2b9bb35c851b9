"""The arguments of a BSRNet, read from its weights."""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from bsr_plugin.errors import InputError

#: Convolutions that every BSRNet has.
_CONVOLUTIONS = ('conv_first', 'body.0.blocks.0.conv1', 'conv_fuse', 'upsample.0', 'conv_last')
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
    for name in _CONVOLUTIONS:
        if f'{name}.weight' not in weights or weights[f'{name}.weight'].dim() != 4:
            raise InputError(f'the weights are not those of a BSRNet: the convolution {name} is missing')
    num_feat, num_in_ch = weights['conv_first.weight'].shape[:2]
    blocks = [match for match in map(_BLOCK.fullmatch, weights) if match]
    num_group, num_block = (1 + max(int(match[place]) for match in blocks) for place in (1, 2))
    arguments = {
        'num_in_ch': num_in_ch,
        'num_out_ch': weights['conv_last.weight'].shape[0],
        'num_feat': num_feat,
        'num_group': num_group,
        'num_block': num_block,
        'upscale': _upscale(weights, num_feat),
        'attention': _attention(weights),
    }
    if num_group > 1:
        # F_0 is concatenated with the outputs of all groups, or with the last one's.
        arguments['skip_connections'] = weights['conv_fuse.weight'].shape[1] > 2 * num_feat
    return arguments


def _upscale(weights: Mapping[str, Tensor], num_feat: int) -> int:
    """One convolution and pixel shuffle for every factor 2, or a single one for factor 3."""
    if weights['upsample.0.weight'].shape[0] == 9 * num_feat:
        return 3
    return int(2 ** sum(name.startswith('upsample.') and name.endswith('.weight') for name in weights))


def _attention(weights: Mapping[str, Tensor]) -> str:
    kinds = {'attention.0.conv.weight': 'spatial', 'attention.0.logit': 'scalar'}
    return next((kind for name, kind in kinds.items() if name in weights), 'none')
