"""BSRNet: feature mapping groups whose outputs all reach the reconstruction (section III-C of the paper)."""

from collections.abc import Sequence
from itertools import accumulate
from operator import mul
from typing import Literal, cast

import torch
from basicsr.archs.arch_util import Upsample
from basicsr.utils.registry import ARCH_REGISTRY
from torch import Tensor, nn

from bsr_plugin.archs.attention import Attention, attention_of
from bsr_plugin.archs.balanced_init import init_chain, init_ends, init_fusion, init_upsample
from bsr_plugin.errors import InputError, is_number

UPSCALES = (2, 3, 4, 8)


class ResidualBlock(nn.Module):
    """RB(x) = x + conv2(relu(conv1(x))), 3x3 convolutions (Fig. 5, left), ``expansion`` times as wide at the ReLU."""

    def __init__(self, num_feat: int, expansion: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(num_feat, expansion * num_feat, 3, 1, 1)
        self.conv2 = nn.Conv2d(expansion * num_feat, num_feat, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, num_feat, H, W) to the same shape."""
        return x + self.conv2(torch.relu_(self.conv1(x)))


class FeatureMappingGroup(nn.Module):
    """FMG(x) = x + RB(...RB(x)) with ``num_block`` residual blocks (Fig. 5, right), one of ``num_group``."""

    def __init__(self, num_feat: int, num_block: int, num_group: int, expansion: int) -> None:
        super().__init__()
        blocks = [ResidualBlock(num_feat, expansion) for _ in range(num_block)]
        #: What a new group multiplies its input by.
        self.initial_gain = init_chain([(block.conv1, block.conv2) for block in blocks], num_group)
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        """(N, num_feat, H, W) to the same shape."""
        return x + self.blocks(x)


@ARCH_REGISTRY.register()
class BSRNet(nn.Module):
    """Balanced super-resolution network (section III-C, Fig. 4 and 5).

    With x in [0, 1] and the mean colour subtracted::

        F_0  = conv_first(x)
        F_i  = FMG_i(F_{i-1}),           i = 1..n
        A_i  = sigmoid(conv_i(F_i))      'spatial': a map;  sigmoid(a_i)  'scalar': a number;  1  'none'
        I_SR = conv_last(upsample(conv_fuse([F_0, A_1 F_1, ..., A_n F_n])))

    F_0 always enters with weight 1. Without skip connections (the ablation "w/o SC") only F_0 and A_n F_n are
    concatenated. All convolutions are 3x3 with zero padding, but ``conv_fuse``, which is 1x1; ``upsample`` is BasicSR's
    convolution and pixel shuffle, one stage per factor 2 or one for factor 3.

    Beyond the paper, two options for small networks, both from WDSR (Yu et al. 2018): RBs that are wider at the ReLU,
    and the direct upsampler, where ``conv_last`` makes all sub-pixels on the LR grid, before a single pixel shuffle::

        I_SR = shuffle(conv_last(conv_fuse([F_0, A_1 F_1, ..., A_n F_n])))

    At initialisation it is nearest-neighbour upsampling, with features and gradients of one scale in all groups; see
    ``bsr_plugin.archs.balanced_init`` for how and why.

    Any batch, height and width of at least 1 is accepted. Nothing depends on the size in Python, so the network can be
    compiled, scripted, traced and exported with dynamic sizes. Under autocast the result is float32, as precise as what
    the convolutions compute in: a small trained network in bf16 is off by 0.24 of 255 grey levels (root mean square),
    less than what rounding to 8 bits adds, and loses 0.003 dB on Set5. Both ends in float32 bring back 0.001 dB of it,
    so the precision is left to autocast.

    Args:
        num_in_ch: Channels of the input, 3 for RGB.
        num_out_ch: Channels of the output, 3 for RGB.
        num_feat: Channels of the features F_i.
        num_group: Number of FMGs, n.
        num_block: Number of RBs in each FMG.
        upscale: Factor from LR to HR: 2, 3, 4 or 8.
        skip_connections: Whether every F_i reaches the reconstruction, or F_0 and F_n only.
        attention: Weight of an FMG's output: ``'spatial'``, a map; ``'scalar'``, one number; ``'none'``, 1.
        img_range: Pixel value range of input and output: 1 for images in [0, 1], 255 for those in [0, 255].
        rgb_mean: Mean colour in [0, 1], in the channels' order: one number per channel, which needs as many input
            as output channels, or a single number for all of them. The default is DIV2K's.
        expansion: Channels between the two convolutions of an RB, in multiples of ``num_feat``; the paper's is 1.
        upsampler: ``'pixelshuffle'``, with convolutions on the finer grids; ``'direct'``, with a single one on the LR
            grid, for as many output as input channels.

    Attributes:
        upscale (int): Factor from LR to HR.
        receptive_field_radius (int): Largest distance in LR pixels, along a row or a column, from the LR pixel that an
            output pixel lies in to an input pixel it depends on. Tiles that overlap their neighbours by it on each side
            give the result of the whole image.

    Raises:
        InputError: An argument is out of its range; the message names it and what would be accepted.
    """

    mean: Tensor

    #: ``DistributedDataParallel`` would broadcast it in every forward pass, also where one rank validates alone.
    _ddp_params_and_buffers_to_ignore = ('mean',)

    def __init__(
        self,
        num_in_ch: int = 3,
        num_out_ch: int = 3,
        num_feat: int = 64,
        num_group: int = 10,
        num_block: int = 12,
        upscale: int = 4,
        skip_connections: bool = True,
        attention: Literal['spatial', 'scalar', 'none'] = 'spatial',
        img_range: float = 1.0,
        rgb_mean: float | Sequence[float] = (0.4488, 0.4371, 0.4040),
        expansion: int = 1,
        upsampler: Literal['pixelshuffle', 'direct'] = 'pixelshuffle',
    ) -> None:
        super().__init__()
        _check_counts(
            num_in_ch=num_in_ch,
            num_out_ch=num_out_ch,
            num_feat=num_feat,
            num_group=num_group,
            num_block=num_block,
            expansion=expansion,
        )
        _check_switches(upscale, skip_connections)
        _check_upsampler(upsampler, num_in_ch, num_out_ch)

        self.num_in_ch = num_in_ch
        self.upscale = upscale
        self.skip_connections = skip_connections
        self.img_range = _checked_range(img_range)
        self.register_buffer('mean', _mean_colour(rgb_mean, num_in_ch, num_out_ch), persistent=False)

        groups = [FeatureMappingGroup(num_feat, num_block, num_group, expansion) for _ in range(num_group)]
        factors = list(accumulate((group.initial_gain for group in groups), mul))
        kept = factors if skip_connections else factors[-1:]
        attentions = [attention_of(attention, num_feat) for _ in kept]

        self.conv_first = nn.Conv2d(num_in_ch, num_feat, 3, 1, 1)
        self.body = nn.ModuleList(groups)
        self.attention = nn.ModuleList(attentions)
        self.conv_fuse = nn.Conv2d((1 + len(kept)) * num_feat, num_feat, 1)
        init_fusion(self.conv_fuse, [1.0, *(attentions[0].initial_weight * factor for factor in kept)])
        self.direct = upsampler == 'direct'
        self.upsample = nn.PixelShuffle(upscale) if self.direct else Upsample(upscale, num_feat)
        copies = upscale**2 if self.direct else 1
        self.conv_last = nn.Conv2d(num_feat, copies * num_out_ch, 3, 1, 1)
        init_ends(self.conv_first, self.conv_last, copies=copies)
        init_upsample(self.upsample)

        # conv_first, two per RB, the attention's convolution, and the reconstruction: a 3x3 convolution on the LR grid,
        # and those on finer grids, which together reach less than one LR pixel beyond the own one's edge.
        reconstruction = 1 if self.direct else 2
        self.receptive_field_radius = 1 + 2 * num_group * num_block + int(attention == 'spatial') + reconstruction

    def forward(self, x: Tensor) -> Tensor:
        """Super-resolves a batch.

        Args:
            x: LR images, (N, num_in_ch, H, W), RGB, in [0, img_range].

        Returns:
            (N, num_out_ch, upscale * H, upscale * W) in the same range, not clipped.

        Raises:
            InputError: ``x`` is not a batch of floating-point images with ``num_in_ch`` channels.
        """
        features = self._features(x)
        weighted = [features[0]]
        for index, attention in enumerate(self.attention):
            weighted.append(attention(features[index + 1]))
        fused = self.conv_fuse(torch.cat(weighted, dim=1))
        image = self.upsample(self.conv_last(fused)) if self.direct else self.conv_last(self.upsample(fused))
        return (image + self.mean) * self.img_range

    @torch.jit.unused
    def attention_maps(self, x: Tensor) -> list[Tensor]:
        """The attention maps A_i of a forward pass, which stops before the reconstruction.

        Args:
            x: As in ``forward``.

        Returns:
            One (N, 1, H, W) map in (0, 1) per concatenated FMG output, in their order: ``num_group`` of them, one
            without skip connections. A single weight for the whole image is repeated; without attention it is 1.
        """
        maps = []
        for attention, feature in zip(self.attention, self._features(x)[1:], strict=True):
            size = (feature.size(0), 1, feature.size(2), feature.size(3))
            maps.append(cast(Attention, attention).weight(feature).expand(size))
        return maps

    def _features(self, x: Tensor) -> list[Tensor]:
        """F_0 and the FMG outputs that the reconstruction uses."""
        if x.dim() != 4 or x.size(1) != self.num_in_ch:
            raise InputError(f'the input has shape {list(x.shape)}: use (N, {self.num_in_ch}, H, W)')
        if not x.is_floating_point():
            raise InputError(f'the input holds integers: use floats in [0, {self.img_range}]')
        feature = self.conv_first(x / self.img_range - self.mean)
        features = [feature]
        for group in self.body:
            feature = group(feature)
            features.append(feature)
        return features if self.skip_connections else [features[0], features[-1]]


def _check_counts(**counts: int) -> None:
    for name, count in counts.items():
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise InputError(f'{name} is {count!r}: use a whole number of at least 1')


def _check_switches(upscale: int, skip_connections: bool) -> None:
    if isinstance(upscale, bool) or upscale not in UPSCALES:
        raise InputError(f'upscale is {upscale!r}: use 2, 3, 4 or 8')
    if not isinstance(skip_connections, bool):
        raise InputError(f'skip_connections is {skip_connections!r}: use true or false')


def _check_upsampler(upsampler: str, num_in_ch: int, num_out_ch: int) -> None:
    if upsampler not in ('pixelshuffle', 'direct'):
        raise InputError(f"upsampler is {upsampler!r}: use 'pixelshuffle' or 'direct'")
    if upsampler == 'direct' and num_in_ch != num_out_ch:
        raise InputError(
            f"num_out_ch is {num_out_ch} and num_in_ch {num_in_ch}: upsampler 'direct' needs as many output as input "
            "channels, use 'pixelshuffle'"
        )


def _checked_range(img_range: float) -> float:
    if not is_number(img_range) or img_range <= 0:
        raise InputError(f'img_range is {img_range!r}: use the range of the pixel values, 1 or 255')
    return float(img_range)


def _mean_colour(rgb_mean: float | Sequence[float], num_in_ch: int, num_out_ch: int) -> Tensor:
    """(1, C, 1, 1), with C = 1 where one number serves all channels."""
    means = list(rgb_mean) if isinstance(rgb_mean, Sequence) else [rgb_mean]
    if not means or not all(is_number(mean) and 0 <= mean <= 1 for mean in means):
        raise InputError(f'rgb_mean is {rgb_mean!r}: use one number per channel, between 0 and 1')
    if isinstance(rgb_mean, Sequence) and not len(means) == num_in_ch == num_out_ch:
        raise InputError(
            f'rgb_mean has {len(means)} entries for {num_in_ch} input and {num_out_ch} output channels: '
            'use one per channel, or a single number such as 0.44'
        )
    return torch.tensor(means, dtype=torch.float32).view(1, -1, 1, 1)
