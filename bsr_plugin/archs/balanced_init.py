"""Initialisation of BSRNet: nearest-neighbour upsampling, with features and gradients of one size in all groups.

The problem. RB and FMG both have an identity path, so with small residual branches FMG(x) is about 2x, and ten FMGs
multiply their input by 2^10. Scaling the fusion weights of group i by 2^-i repairs the output at step 0 but not the
training: Adam moves every weight by about the learning rate, whatever its size, so a step of 2e-4 on a weight that
multiplies features of size 2^10 changes the output a thousand times more than the same step elsewhere.

The idea. Two RBs in a row can shrink their input exactly. Let Q be orthogonal and s^2 = c. With s Q in the centre tap
of ``conv1`` and -s Q^T in that of ``conv2``, the first RB maps y = Qx to y - c relu(y): the positive part shrinks by
1 - c. The second one, with -s Q and s Q^T, maps it on to y + c relu(-y): the negative part shrinks likewise::

    RB_2(RB_1(x)) = (1 - c) x        exactly, though every ReLU is at work

A wide RB, whose ``conv1`` has E >= 2 times as many channels, needs no partner: both halves fit in it. With
k = floor(E / 2) orthogonal matrices Q_j, a^2 = c / k, and the centre taps a [Q_1; -Q_1; ...; Q_k; -Q_k] in ``conv1``
and their transpose times -1 in ``conv2``::

    RB(x) = x - a^2 sum_j Q_j^T (relu(Q_j x) - relu(-Q_j x)) = x - a^2 sum_j Q_j^T Q_j x = (1 - c) x        exactly

Every hidden channel gets the same share of it, so none is ahead of the others. An odd E leaves one more Q in ``conv1``,
as large as the others, whose channels ``conv2`` starts at 0.

c is chosen so that the m RBs of an FMG together have the gain r = 1 / (n m), for n FMGs. (r = 1/2 for a single wide RB
in a single FMG: a gain of 1 would need no weights at all, and weights of 0 on both sides of a ReLU never move.) Then

- FMG(x) = (1 + r) x, and F_n = (1 + r)^n F_0 is less than e^(1/m) times F_0, however deep the network is;
- in every RB of an FMG the size of the signal that enters, times the size of the gradient that leaves, is the same;
- a step of Adam changes the output through each of the n m RBs in proportion to r, so through all of them together
  about as much as through one other layer, and no warm-up is needed.

F_n gives one half of the fused features, F_0, ..., F_{n-1} give equal parts of the other half. Group i acts through
F_i, ..., F_n, so its gradient collects a share between 1/2 (the last group) and 1 (the first): the gradients of the
weights of all groups agree within a factor of two.

The other layers keep the image. ``conv_first`` lays the centre pixel, and the differences of its neighbours from it,
along orthogonal directions; differences, because neighbours are nearly equal, and features that all follow one
brightness let every first step of Adam pull the same way. ``upsample`` copies each channel to all its sub-pixels, so
there is no checkerboard (Aitken et al. 2017), and ``conv_last`` reads the centre pixel; a direct upsampler does both in
one. The output of a new network is therefore the nearest-neighbour upsampling of its input.

Orthogonal centre taps are the delta-orthogonal initialisation of Xiao et al. 2018; ReLUs that undo each other are the
"looks linear" initialisation of Balduzzi et al. 2017. An odd number of narrow RBs leaves one without a partner,
whose ``conv2`` starts at 0. With one narrow RB per FMG there is no pair: F_i = 2^i F_0, and the fusion alone makes up
for it.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

# The two convolutions of each RB of an FMG, in order.
Chain = Sequence[tuple[nn.Conv2d, nn.Conv2d]]


@torch.no_grad()
def init_ends(first: nn.Conv2d, last: nn.Conv2d, copies: int = 1) -> None:
    """Embeds the centre pixel and its neighbours in orthogonal directions, of which ``last`` reads the centre pixel.

    With fewer features than the neighbourhood has values, the neighbours share directions; the centre pixel keeps its
    own. Random: drawn from PyTorch's global generator, as in ``init_chain``.

    Args:
        first: The convolution that makes the features F_0.
        last: The convolution that makes the output.
        copies: How many consecutive output channels of ``last`` are sub-pixels of one colour.
    """
    num_feat, num_in_ch = first.weight.shape[:2]
    basis = _orthogonal(num_feat, max(num_feat, num_in_ch))
    num_neighbour = first.weight[0].numel() - num_in_ch
    neighbours = basis[:, num_in_ch:] @ _orthogonal(basis.size(1) - num_in_ch, num_neighbour)
    neighbours = neighbours.view(num_feat, num_in_ch, -1)

    taps = torch.ones(first.kernel_size, dtype=torch.bool)
    taps[first.kernel_size[0] // 2, first.kernel_size[1] // 2] = False
    first.weight[:, :, taps] = neighbours
    nn.init.zeros_(_bias(first))
    _centre(first).copy_(basis[:, :num_in_ch] - neighbours.sum(2))

    num_out_ch = last.out_channels // copies
    num_shared = min(num_in_ch, num_out_ch)
    centre = torch.zeros(num_out_ch, num_feat)
    centre[:num_shared] = basis[:, :num_shared].T
    _set_centre(last, centre.repeat_interleave(copies, dim=0))


@torch.no_grad()
def init_chain(chain: Chain, num_group: int) -> float:
    """Lets the RBs of one FMG shrink its input, narrow ones in pairs and wide ones each by itself.

    Args:
        chain: The convolutions of the FMG's RBs.
        num_group: Number of FMGs in the network.

    Returns:
        The factor by which the whole FMG now multiplies its input.
    """
    wide = chain[0][0].out_channels > chain[0][0].in_channels
    num_step = len(chain) if wide else len(chain) // 2
    gain = 1 / max(2, num_group * len(chain)) if num_step else 1.0
    strength = math.sqrt(1 - gain ** (1 / max(1, num_step)))
    if wide:
        for conv1, conv2 in chain:
            _shrink_alone(conv1, conv2, strength)
    else:
        _shrink_in_pairs(chain, strength)
    return 1 + gain


def _shrink_in_pairs(chain: Chain, strength: float) -> None:
    """Makes two RBs in a row a product with 1 - strength^2, and one that is left over the identity."""
    for first, second in zip(chain[::2], chain[1::2], strict=False):
        rotation = strength * _orthogonal(first[0].out_channels, first[0].in_channels)
        for sign, (conv1, conv2) in ((1, first), (-1, second)):
            _set_centre(conv1, sign * rotation)
            _set_centre(conv2, -sign * rotation.T)
    if len(chain) % 2:
        conv1, conv2 = chain[-1]
        _set_centre(conv1, _orthogonal(conv1.out_channels, conv1.in_channels))
        _set_centre(conv2, torch.zeros(conv2.out_channels, conv2.in_channels))


def _shrink_alone(conv1: nn.Conv2d, conv2: nn.Conv2d, strength: float) -> None:
    """Makes a wide RB a product with 1 - strength^2."""
    num_feat, num_hidden = conv1.in_channels, conv1.out_channels
    num_pair = num_hidden // (2 * num_feat)
    rotations = [_orthogonal(num_feat, num_feat) for _ in range(math.ceil(num_hidden / (2 * num_feat)))]
    mirrored = torch.cat([sign * rotation for rotation in rotations for sign in (1, -1)])[:num_hidden]
    matrix = strength / math.sqrt(num_pair) * mirrored
    _set_centre(conv1, matrix)
    matrix[2 * num_pair * num_feat :] = 0
    _set_centre(conv2, -matrix.T)


@torch.no_grad()
def init_fusion(conv: nn.Conv2d, factors: Sequence[float]) -> None:
    """Makes the fused features F_0, half of it taken from F_n and the other half evenly from the other inputs.

    Args:
        conv: The 1x1 convolution over the concatenation.
        factors: What a new network multiplies F_0 by to get each part of the concatenation, F_0 (1.0) first.
    """
    shares = [0.5 / (len(factors) - 1)] * (len(factors) - 1) + [0.5]
    parts = [share / factor * torch.eye(conv.out_channels) for share, factor in zip(shares, factors, strict=True)]
    _set_centre(conv, torch.cat(parts, dim=1))


@torch.no_grad()
def init_upsample(upsample: nn.Module) -> None:
    """Copies each channel to all the sub-pixels that the pixel shuffle makes of it."""
    for layer in upsample.children():
        if isinstance(layer, nn.Conv2d):
            copies = layer.out_channels // layer.in_channels
            _set_centre(layer, torch.eye(layer.in_channels).repeat_interleave(copies, dim=0))


def _orthogonal(rows: int, columns: int) -> Tensor:
    return nn.init.orthogonal_(torch.empty(rows, columns))


def _centre(conv: nn.Conv2d) -> Tensor:
    """A view of the (out, in) matrix in the middle of the kernels."""
    return conv.weight[:, :, conv.kernel_size[0] // 2, conv.kernel_size[1] // 2]


def _set_centre(conv: nn.Conv2d, matrix: Tensor) -> None:
    """Makes the convolution a product with ``matrix`` at every pixel, without bias."""
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(_bias(conv))
    _centre(conv).copy_(matrix)


def _bias(conv: nn.Conv2d) -> Tensor:
    assert conv.bias is not None
    return conv.bias
