"""A new BSRNet is nearest-neighbour upsampling, balanced over its groups, and trains from the first step."""

import math

import pytest
import torch
from skimage import data
from torch import nn
from torch.nn.functional import avg_pool2d, interpolate

from bsr_plugin.archs import BSRNet
from bsr_plugin.losses import HybridL1L2LpLoss


@pytest.fixture
def one_thread():
    """Many small steps: threads that wait for each other take longer than the work, above all on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def group_outputs(net, x):
    """F_0, ..., F_n of a forward pass."""
    outputs = []
    hooks = [
        module.register_forward_hook(lambda *call: outputs.append(call[2])) for module in (net.conv_first, *net.body)
    ]
    net(x)
    for hook in hooks:
        hook.remove()
    return outputs


def photograph_batch():
    """LR and HR patches, x4, of a real photograph."""
    photograph = torch.from_numpy(data.astronaut()).permute(2, 0, 1).float() / 255
    corners = [(0, 160), (64, 224), (96, 192), (400, 64)]
    hr = torch.stack([photograph[:, y : y + 32, x : x + 32] for y, x in corners])
    return avg_pool2d(hr, 4), hr


@pytest.mark.parametrize(
    'options',
    [
        {},
        {'upscale': 2, 'attention': 'scalar', 'num_feat': 32, 'num_group': 4, 'num_block': 3},
        {'upscale': 3, 'attention': 'none', 'num_feat': 8, 'num_group': 3, 'num_block': 1},
        {'upscale': 8, 'skip_connections': False, 'num_feat': 27, 'num_group': 2, 'num_block': 4},
        {'upscale': 4, 'skip_connections': False, 'attention': 'none', 'num_feat': 3, 'num_group': 1, 'num_block': 2},
        {'upscale': 2, 'img_range': 255, 'num_group': 1, 'num_block': 1},
        {'upscale': 2, 'expansion': 2, 'num_feat': 8, 'num_group': 1, 'num_block': 1},
        {'upscale': 4, 'expansion': 3, 'num_feat': 16, 'num_group': 10, 'num_block': 12},
        {'upscale': 8, 'expansion': 5, 'num_feat': 5, 'num_group': 2, 'num_block': 3, 'upsampler': 'direct'},
        {'upscale': 2, 'upsampler': 'direct', 'skip_connections': False, 'num_feat': 8, 'num_group': 2, 'num_block': 2},
        {'upscale': 3, 'upsampler': 'direct', 'img_range': 255, 'num_feat': 3, 'num_group': 1, 'num_block': 1},
    ],
)
def test_a_new_network_is_nearest_neighbour_upsampling(options):
    net = BSRNet(**options)
    x = torch.rand(1, 3, 5, 6) * options.get('img_range', 1)
    expected = interpolate(x, scale_factor=options.get('upscale', 4), mode='nearest')
    torch.testing.assert_close(net(x), expected, rtol=0, atol=1e-5 * options.get('img_range', 1))


@pytest.mark.parametrize(('num_group', 'num_block'), [(10, 12), (3, 5), (1, 2), (20, 2)])
def test_each_group_multiplies_its_input_by_little(num_group, num_block):
    net = BSRNet(num_feat=16, num_group=num_group, num_block=num_block, upscale=2).double()
    first, *others = group_outputs(net, torch.rand(1, 3, 6, 6, dtype=torch.float64))
    gain = 1 + 1 / (num_group * num_block)
    for index, output in enumerate(others, start=1):
        torch.testing.assert_close(output, first * gain**index, rtol=0, atol=1e-5)
    assert others[-1].norm() < math.exp(1 / num_block) * first.norm()


@pytest.mark.parametrize('expansion', [2, 3, 4, 5])
@pytest.mark.parametrize(('num_group', 'num_block'), [(4, 2), (3, 3), (2, 1), (1, 1)])
def test_wide_blocks_shrink_their_input_each_by_itself(expansion, num_group, num_block):
    net = BSRNet(num_feat=8, num_group=num_group, num_block=num_block, expansion=expansion, upscale=2).double()
    gain = 1 / (num_group * num_block) if num_group * num_block > 1 else 1 / 2
    x = torch.randn(2, 8, 6, 6, dtype=torch.float64)
    for group in net.body:
        for block in group.blocks:
            torch.testing.assert_close(block(x), x * gain ** (1 / num_block), rtol=0, atol=1e-5)
        torch.testing.assert_close(group(x), x * (1 + gain), rtol=0, atol=1e-5)


@pytest.mark.parametrize(('expansion', 'idle'), [(2, 0), (3, 8), (4, 0), (5, 8)])
def test_hidden_channels_that_are_left_over_are_as_large_as_the_others_and_learn(expansion, idle):
    net = BSRNet(num_feat=8, num_group=2, num_block=2, expansion=expansion, upscale=2)
    block = net.body[0].blocks[0]
    rows, columns = block.conv1.weight.flatten(1).norm(dim=1), block.conv2.weight.transpose(0, 1).flatten(1).norm(dim=1)
    torch.testing.assert_close(rows, rows[:1].expand(8 * expansion))
    torch.testing.assert_close(columns[: len(rows) - idle], rows[: len(rows) - idle])
    assert (columns[len(rows) - idle :] == 0).all()
    x = torch.rand(1, 3, 8, 8)
    (net(x) - torch.rand(1, 3, 16, 16)).square().mean().backward()
    assert (block.conv2.weight.grad.abs().amax((0, 2, 3)) > 0).all(), 'every hidden channel has a gradient'


@pytest.mark.parametrize('expansion', [1, 2, 4])
def test_every_relu_is_at_work(expansion):
    """The network is linear as a whole, but none of its RBs is."""
    net = BSRNet(num_feat=16, num_group=2, num_block=4, expansion=expansion, upscale=2)
    shares = []
    for block in (block for group in net.body for block in group.blocks):
        block.conv1.register_forward_hook(lambda *call: shares.append((call[2] > 0).float().mean().item()))
    net(torch.randn(1, 3, 16, 16))
    assert len(shares) == 8
    assert all(0.3 < share < 0.7 for share in shares)


@pytest.mark.parametrize(
    'options',
    [
        {},
        {'expansion': 2, 'num_feat': 16},
        {'expansion': 3, 'num_feat': 16},
        {'expansion': 4, 'num_feat': 16, 'upsampler': 'direct'},
    ],
)
def test_gradients_of_all_groups_and_blocks_are_alike(options):
    net = BSRNet(**options)
    lr, hr = photograph_batch()
    HybridL1L2LpLoss()(net(lr[:2]), hr[:2]).backward()

    norms = torch.tensor(
        [
            [[conv.weight.grad.norm() for conv in (block.conv1, block.conv2)] for block in group.blocks]
            for group in net.body
        ]
    )
    groups = norms.square().sum((1, 2)).sqrt()
    assert groups.min() > 0
    assert 1.7 < groups.max() / groups.min() < 2.1
    assert torch.equal(groups.argsort(descending=True), torch.arange(10))
    assert (norms.amax((1, 2)) / norms.amin((1, 2))).max() < 4


def test_features_are_orthogonal_and_free_of_the_common_brightness():
    net = BSRNet(num_feat=64, num_group=1, num_block=1, upscale=2)
    weight = net.conv_first.weight.detach()
    directions = torch.cat([weight.sum((2, 3)), weight.flatten(2)[:, :, [0, 1, 2, 3, 5, 6, 7, 8]].flatten(1)], dim=1)
    torch.testing.assert_close(directions.T @ directions, torch.eye(27), rtol=0, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ('options', 'amp'),
    # In bfloat16, which some processors emulate at a tenth of the speed, as deep but not as wide.
    [({}, False), ({'num_feat': 16}, True), ({'num_feat': 16, 'expansion': 4, 'upsampler': 'direct'}, False)],
    ids=['float32', 'bfloat16', 'wide and direct'],
)
@pytest.mark.usefixtures('one_thread')
def test_the_full_network_trains_from_the_first_step(options, amp):
    net, loss = BSRNet(**options), HybridL1L2LpLoss()
    lr, hr = photograph_batch()
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.9, 0.99))
    losses = []
    for _ in range(20):
        with torch.autocast('cpu', torch.bfloat16, enabled=amp):
            output = net(lr)
        losses.append(loss(output, hr))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    values = [value.item() for value in losses]
    assert max(values) < 5 * values[0]
    assert max(values[-3:]) < values[0]


def test_pytorchs_own_initialisation_would_start_far_off():
    """What the tests above guard against: the same network without this initialisation."""
    net = BSRNet(num_feat=32)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.reset_parameters()
    x = torch.rand(1, 3, 6, 6)
    outputs = group_outputs(net, x)
    assert outputs[-1].norm() > 500 * outputs[0].norm()
    assert (net(x) - interpolate(x, scale_factor=4)).abs().mean() > 1
