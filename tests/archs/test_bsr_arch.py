"""BSRNet against the equations of section III-C, its options, and the ways it can be run."""

import pytest
import torch
from basicsr.archs import build_network
from basicsr.utils.registry import ARCH_REGISTRY
from torch.nn.functional import conv2d

from bsr_plugin.archs import BSRNet
from bsr_plugin.errors import InputError

SMALL = {'num_feat': 5, 'num_group': 3, 'num_block': 2}
ONE_EACH = 'use one per channel, or a single number such as 0.44'
MEAN = (0.5, 0.25, 0.375)  # float32, in which the network keeps it, holds it exactly


def random_net(seed=0, **options):
    """A small float64 network whose weights and biases are all random, none as they are initialised."""
    torch.manual_seed(seed)
    net = BSRNet(**{**SMALL, **options}).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.uniform_(-0.3, 0.3)
    return net


def pixel_shuffle(x, factor):
    """Channel c * factor^2 + i * factor + j of pixel (y, x) becomes channel c of pixel (factor y + i, factor x + j)."""
    n, channels, height, width = x.shape
    x = x.reshape(n, channels // factor**2, factor, factor, height, width)
    return x.permute(0, 1, 4, 2, 5, 3).reshape(n, channels // factor**2, height * factor, width * factor)


def by_the_equations(
    state, x, *, upscale, skip_connections, attention, mean, upsampler='pixelshuffle', img_range=1.0, groups=3, blocks=2
):
    """Section III-C with plain convolutions; gives I_SR and the A_i."""

    def conv(name, value):
        weight = state[f'{name}.weight']
        return conv2d(value, weight, state[f'{name}.bias'], padding=weight.shape[-1] // 2)

    mean = torch.tensor(mean, dtype=torch.float64).reshape(1, -1, 1, 1)
    feature = conv('conv_first', x / img_range - mean)
    outputs = [feature]
    for i in range(groups):
        inner = feature
        for k in range(blocks):
            name = f'body.{i}.blocks.{k}'
            inner = inner + conv(f'{name}.conv2', conv(f'{name}.conv1', inner).clamp(min=0))
        feature = feature + inner
        outputs.append(feature)
    kept = outputs[1:] if skip_connections else outputs[-1:]
    maps = []
    for i, output in enumerate(kept):
        if attention == 'spatial':
            maps.append(1 / (1 + torch.exp(-conv(f'attention.{i}.conv', output))))
        elif attention == 'scalar':
            maps.append((1 / (1 + torch.exp(-state[f'attention.{i}.logit']))).expand_as(output[:, :1]))
        else:
            maps.append(torch.ones_like(output[:, :1]))
    fused = conv('conv_fuse', torch.cat([outputs[0]] + [a * f for a, f in zip(maps, kept, strict=True)], dim=1))
    if upsampler == 'direct':
        return (pixel_shuffle(conv('conv_last', fused), upscale) + mean) * img_range, maps
    for stage, factor in enumerate({2: [2], 3: [3], 4: [2, 2], 8: [2, 2, 2]}[upscale]):
        fused = pixel_shuffle(conv(f'upsample.{2 * stage}', fused), factor)
    return (conv('conv_last', fused) + mean) * img_range, maps


@pytest.mark.parametrize('upscale', [2, 3, 4, 8])
@pytest.mark.parametrize('attention', ['spatial', 'scalar', 'none'])
@pytest.mark.parametrize('skip_connections', [True, False])
@pytest.mark.parametrize(('upsampler', 'expansion'), [('pixelshuffle', 1), ('direct', 1), ('pixelshuffle', 2)])
def test_forward_is_the_papers_equations(upscale, attention, skip_connections, upsampler, expansion):
    options = {
        'upscale': upscale,
        'attention': attention,
        'skip_connections': skip_connections,
        'upsampler': upsampler,
    }
    net = random_net(rgb_mean=MEAN, expansion=expansion, **options)
    x = torch.rand(2, 3, 5, 7, dtype=torch.float64)

    expected, maps = by_the_equations(net.state_dict(), x, mean=MEAN, **options)

    torch.testing.assert_close(net(x), expected, rtol=0, atol=1e-12)
    assert expected.shape == (2, 3, 5 * upscale, 7 * upscale)
    assert expected.std() > 0.1
    found = net.attention_maps(x)
    assert len(found) == len(maps) == (3 if skip_connections else 1)
    torch.testing.assert_close(found, maps, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ('channels', 'img_range', 'rgb_mean', 'means'),
    [
        (3, 255.0, (0.5, 0.25, 0.125), (0.5, 0.25, 0.125)),
        (1, 2, 0.5, (0.5,)),
        (4, 1.0, [0, 0.5, 1, 0.25], (0, 0.5, 1, 0.25)),
    ],
)
def test_range_mean_and_channels(channels, img_range, rgb_mean, means):
    net = random_net(num_in_ch=channels, num_out_ch=channels, img_range=img_range, rgb_mean=rgb_mean, upscale=2)
    x = torch.rand(1, channels, 4, 4, dtype=torch.float64) * img_range
    options = {'upscale': 2, 'skip_connections': True, 'attention': 'spatial'}

    expected, _ = by_the_equations(net.state_dict(), x, mean=means, img_range=img_range, **options)

    torch.testing.assert_close(net(x), expected, rtol=1e-12, atol=1e-12)


def test_a_single_mean_serves_different_numbers_of_channels():
    net = BSRNet(num_in_ch=4, num_out_ch=1, rgb_mean=0.5, upscale=2, **SMALL)
    assert net(torch.rand(1, 4, 6, 5)).shape == (1, 1, 12, 10)


def test_parameters_of_the_default_network():
    def conv(inputs, outputs, kernel):
        return outputs * (inputs * kernel**2 + 1)

    net = BSRNet()
    body = 10 * 12 * 2 * conv(64, 64, 3)
    head = conv(3, 64, 3) + conv(11 * 64, 64, 1) + 2 * conv(64, 256, 3) + conv(64, 3, 3)
    assert sum(p.numel() for p in net.parameters()) == body + 10 * conv(64, 1, 3) + head == 9_212_557
    assert sum(p.numel() for p in BSRNet(attention='scalar').parameters()) == body + 10 + head
    assert sum(p.numel() for p in BSRNet(attention='none').parameters()) == body + head
    few = BSRNet(skip_connections=False)
    assert sum(p.numel() for p in few.parameters()) == body + conv(64, 1, 3) + head - 9 * 64 * 64
    direct = head - 2 * conv(64, 256, 3) - conv(64, 3, 3) + conv(64, 48, 3)
    assert sum(p.numel() for p in BSRNet(attention='none', upsampler='direct').parameters()) == body + direct
    wide = 10 * 12 * (conv(64, 192, 3) + conv(192, 64, 3))
    assert sum(p.numel() for p in BSRNet(attention='none', expansion=3).parameters()) == wide + head


@pytest.mark.parametrize('upscale', [2, 3, 4, 8])
@pytest.mark.parametrize(
    ('options', 'radius'),
    [
        ({'attention': 'spatial'}, 1 + 2 * 2 * 2 + 1 + 2),
        ({'attention': 'none'}, 1 + 2 * 2 * 2 + 2),
        ({'attention': 'spatial', 'upsampler': 'direct', 'expansion': 2}, 1 + 2 * 2 * 2 + 1 + 1),
        ({'attention': 'none', 'upsampler': 'direct'}, 1 + 2 * 2 * 2 + 1),
    ],
)
def test_receptive_field_radius_is_exact(upscale, options, radius):
    net = random_net(upscale=upscale, num_group=2, **options)
    with torch.no_grad():
        for parameter in net.parameters():
            # Positive, so that no path from an input to an output cancels another; small, so that no sigmoid saturates.
            parameter.abs_().mul_(0.1)
    assert net.receptive_field_radius == radius
    size = 2 * radius + 5
    x = torch.rand(1, 3, size, size, dtype=torch.float64) + 0.5
    x.requires_grad_()
    centre = slice(size // 2 * upscale, (size // 2 + 1) * upscale)

    net(x)[:, :, centre, centre].sum().backward()

    reached = x.grad.abs().sum((0, 1))
    expected = torch.zeros(size, size, dtype=torch.bool)
    expected[size // 2 - radius : size // 2 + radius + 1, size // 2 - radius : size // 2 + radius + 1] = True
    assert torch.equal(reached > 0, expected)


@pytest.mark.parametrize('upscale', [3, 4])
@pytest.mark.parametrize('options', [{}, {'upsampler': 'direct', 'expansion': 3}])
def test_a_tile_with_the_receptive_field_radius_around_it_is_the_whole_image(upscale, options):
    net = random_net(upscale=upscale, num_group=1, num_block=1, **options)
    radius = net.receptive_field_radius
    x = torch.rand(1, 3, 4 + 2 * radius, 4 + 2 * radius, dtype=torch.float64)
    whole = torch.nn.functional.pad(x, [9] * 4, mode='reflect')

    def middle(result, margin):
        edge = margin * upscale
        return result[:, :, edge:-edge, edge:-edge]

    inside = middle(net(whole), 9 + radius)
    torch.testing.assert_close(middle(net(x), radius), inside, rtol=0, atol=1e-14)
    narrower = x[:, :, 1:-1, 1:-1]
    assert (middle(net(narrower), radius - 1) - inside).abs().max() > 1e-8


@pytest.mark.parametrize(('height', 'width'), [(1, 1), (1, 6), (7, 2)])
def test_any_size_of_at_least_one_pixel(height, width):
    net = random_net(upscale=4, rgb_mean=MEAN)
    x = torch.rand(1, 3, height, width, dtype=torch.float64)
    options = {'upscale': 4, 'skip_connections': True, 'attention': 'spatial', 'mean': MEAN}
    torch.testing.assert_close(net(x), by_the_equations(net.state_dict(), x, **options)[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize('options', [{}, {'upsampler': 'direct', 'expansion': 2}])
def test_attention_maps_stop_before_the_reconstruction(options):
    net = random_net(**options)
    net.conv_fuse.register_forward_hook(lambda *_: pytest.fail('the reconstruction ran'))
    assert [tuple(found.shape) for found in net.attention_maps(torch.rand(2, 3, 4, 5).double())] == [(2, 1, 4, 5)] * 3


@pytest.mark.parametrize('attention', ['spatial', 'scalar', 'none'])
def test_autocast_computes_in_bfloat16_and_returns_float32(attention):
    net = random_net(attention=attention).float()
    seen = []
    net.conv_fuse.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].dtype))
    x = torch.rand(1, 3, 8, 8)
    expected = net(x)

    with torch.autocast('cpu', torch.bfloat16):
        result = net(x)

    assert seen == [torch.float32, torch.bfloat16]
    assert result.dtype == torch.float32
    assert 0 < (result - expected).abs().max() < 0.03 * expected.abs().max()


def test_channels_last_gives_the_same_values():
    net = random_net()
    x = torch.rand(2, 3, 6, 5, dtype=torch.float64)
    expected = net(x)
    result = net.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    'options',
    [
        {'attention': 'spatial', 'skip_connections': True},
        {'attention': 'scalar', 'skip_connections': False},
        {'attention': 'none', 'skip_connections': True},
        {'upsampler': 'direct', 'expansion': 2},
    ],
)
@pytest.mark.parametrize('way', ['script', 'trace', 'export', 'compile'])
@pytest.mark.filterwarnings('ignore::DeprecationWarning', 'ignore::torch.jit.TracerWarning')
def test_captured_networks_take_every_size(way, options):
    net = random_net(**options).eval()
    example = torch.rand(2, 3, 6, 5, dtype=torch.float64)
    if way == 'script':
        captured = torch.jit.script(net)
    elif way == 'trace':
        captured = torch.jit.trace(net, example)
    elif way == 'export':
        free = {0: torch.export.Dim('batch'), 2: torch.export.Dim('height'), 3: torch.export.Dim('width')}
        captured = torch.export.export(net, (example,), dynamic_shapes=(free,)).module()
    else:
        torch._dynamo.reset()
        captured = torch.compile(net, backend='eager', fullgraph=True, dynamic=True)

    for size in [(2, 3, 6, 5), (1, 3, 9, 4), (3, 3, 5, 11)]:
        x = torch.rand(size, dtype=torch.float64)
        torch.testing.assert_close(captured(x), net(x), rtol=0, atol=1e-12)


def test_basicsr_builds_it_by_name():
    assert ARCH_REGISTRY.get('BSRNet') is BSRNet
    options = {
        'type': 'BSRNet',
        'num_feat': 6,
        'num_group': 2,
        'num_block': 1,
        'upscale': 3,
        'rgb_mean': [0.1, 0.2, 0.3],
    }
    net = build_network(options)
    assert net(torch.rand(1, 3, 4, 4)).shape == (1, 3, 12, 12)
    assert net.mean.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert set(net.state_dict()) == {name for name, _ in net.named_parameters()}  # a checkpoint holds weights alone


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'num_feat': 0}, 'num_feat is 0: use a whole number of at least 1'),
        ({'num_group': 2.0}, 'num_group is 2.0: use a whole number of at least 1'),
        ({'num_block': True}, 'num_block is True: use a whole number of at least 1'),
        ({'num_in_ch': -1}, 'num_in_ch is -1: use a whole number of at least 1'),
        ({'num_out_ch': '3'}, "num_out_ch is '3': use a whole number of at least 1"),
        ({'upscale': 5}, 'upscale is 5: use 2, 3, 4 or 8'),
        ({'upscale': 1}, 'upscale is 1: use 2, 3, 4 or 8'),
        ({'upscale': [2]}, 'upscale is [2]: use 2, 3, 4 or 8'),
        ({'skip_connections': 'no'}, "skip_connections is 'no': use true or false"),
        ({'attention': 'channel'}, "attention is 'channel': use 'spatial', 'scalar' or 'none'"),
        ({'attention': None}, "attention is None: use 'spatial', 'scalar' or 'none'"),
        ({'expansion': 0}, 'expansion is 0: use a whole number of at least 1'),
        ({'expansion': 1.5}, 'expansion is 1.5: use a whole number of at least 1'),
        ({'upsampler': 'nearest'}, "upsampler is 'nearest': use 'pixelshuffle' or 'direct'"),
        (
            {'upsampler': 'direct', 'num_out_ch': 1, 'rgb_mean': 0.4},
            "num_out_ch is 1 and num_in_ch 3: upsampler 'direct' needs as many output as input channels, "
            "use 'pixelshuffle'",
        ),
        ({'img_range': 0}, 'img_range is 0: use the range of the pixel values, 1 or 255'),
        ({'img_range': float('nan')}, 'img_range is nan: use the range of the pixel values, 1 or 255'),
        ({'rgb_mean': None}, 'rgb_mean is None: use one number per channel, between 0 and 1'),
        ({'rgb_mean': '0.4'}, "rgb_mean is '0.4': use one number per channel, between 0 and 1"),
        (
            {'rgb_mean': (0.4, float('inf'), 0.4)},
            'rgb_mean is (0.4, inf, 0.4): use one number per channel, between 0 and 1',
        ),
        (
            {'rgb_mean': (114.4, 111.5, 103.0)},
            'rgb_mean is (114.4, 111.5, 103.0): use one number per channel, between 0 and 1',
        ),
        ({'num_in_ch': 1, 'num_out_ch': 1}, 'rgb_mean has 3 entries for 1 input and 1 output channels: ' + ONE_EACH),
        ({'num_out_ch': 1}, 'rgb_mean has 3 entries for 3 input and 1 output channels: ' + ONE_EACH),
    ],
)
def test_wrong_arguments_are_refused_with_a_sentence(options, message):
    with pytest.raises(InputError) as caught:
        BSRNet(**{**SMALL, **options})
    assert str(caught.value) == message


@pytest.mark.parametrize('shape', [(3, 8, 8), (1, 1, 8, 8), (1, 4, 8, 8)])
def test_an_input_of_the_wrong_shape_is_refused(shape):
    with pytest.raises(InputError, match=r'^the input has shape \[.*\]: use \(N, 3, H, W\)$'):
        BSRNet(**SMALL)(torch.rand(shape))


def test_integers_are_refused():
    with pytest.raises(InputError, match=r'^the input holds integers: use floats in \[0, 1\.0\]$'):
        BSRNet(**SMALL)(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))
