import json
import threading
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from basicsr.archs import build_network

from bsr_plugin.archs.bsr_arch import BSRNet
from bsr_plugin.errors import InputError
from bsr_plugin.models import safetensors_file
from bsr_plugin.upscaling import network as networks
from bsr_plugin.upscaling.network import TorchNetwork, load_network
from bsr_plugin.upscaling.precision import loss_of_bf16
from tests.upscaling.conftest import save_tiny

CPU = torch.device('cpu')


@pytest.mark.parametrize('scale', [2, 3, 4])
def test_scale_and_reach_come_from_the_file(tmp_path, scale):
    net = save_tiny(tmp_path / 'net.pth', scale)
    loaded = load_network(tmp_path / 'net.pth', device='cpu', precision='float32')
    image = torch.rand(2, 3, 9, 7)
    assert loaded.scale == scale
    assert loaded.reach == net.receptive_field_radius
    with torch.no_grad():
        torch.testing.assert_close(loaded(image), net(image))
    with pytest.raises(InputError, match=f'upscales by {scale}, not by 8'):
        load_network(tmp_path / 'net.pth', scale=8, device='cpu')


def test_other_kinds_of_checkpoints(tmp_path):
    net = save_tiny(tmp_path / 'stock.pth')
    torch.save(net.state_dict(), tmp_path / 'bare.pth')
    safetensors_file.write(tmp_path / 'net.safetensors', net.state_dict(), {})
    image = torch.rand(1, 3, 6, 5)
    expected = load_network(tmp_path / 'stock.pth', device='cpu')(image)
    torch.save({'state_dict': net.state_dict(), 'epoch': 3}, tmp_path / 'lightning.pth')
    for name in ('bare.pth', 'lightning.pth', 'net.safetensors'):
        assert torch.equal(load_network(tmp_path / name, device='cpu')(image), expected)


RGB = {'num_in_ch': 3, 'num_out_ch': 3}
#: Networks of the toolbox as small as they go, with the LR multiple that they ask for.
OTHERS = {
    'EDSR': {'num_feat': 4, 'num_block': 1, 'upscale': 2},
    'RRDBNet': {'num_feat': 4, 'num_block': 1, 'num_grow_ch': 2, 'scale': 2},
    'MSRResNet': {'num_feat': 4, 'num_block': 1, 'upscale': 3},
    'SwinIR': {
        'upscale': 2,
        'window_size': 4,
        'img_size': 8,
        'depths': [1],
        'embed_dim': 4,
        'num_heads': [1],
        'upsampler': 'pixelshuffledirect',
    },
}


@pytest.mark.parametrize('kind', OTHERS)
def test_any_network_that_a_checkpoint_names(tmp_path, kind):
    network = {'type': kind, **({} if kind == 'SwinIR' else RGB), **OTHERS[kind]}
    torch.manual_seed(1)
    net = build_network(dict(network)).eval()
    torch.save({'params': net.state_dict(), 'network_g': network}, tmp_path / 'net.pth')
    loaded = load_network(tmp_path / 'net.pth', device='cpu', precision='float32')
    assert (loaded.scale, loaded.reach) == (network.get('upscale', network.get('scale')), None)
    image = torch.rand(1, 3, 12, 8)
    with torch.no_grad():
        torch.testing.assert_close(loaded(image), net(image), rtol=1e-4, atol=1e-5)
        # Sides that windows do not divide are reflected and cropped again.
        reflected = torch.nn.functional.pad(image[..., :11, :7], (0, 1, 0, 1), mode='reflect')
        odd = loaded(image[..., :11, :7])
    assert odd.shape[-2:] == (11 * loaded.scale, 7 * loaded.scale)
    if kind in ('SwinIR', 'RRDBNet'):
        expected = loaded(reflected)[..., : 11 * loaded.scale, : 7 * loaded.scale]
        torch.testing.assert_close(odd, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ('trained', 'named', 'sentence'),
    [
        (
            'EDSR',
            {'type': 'Unheard'},
            'weights of Unheard, which nothing here registers: give it as an ONNX file',
        ),
        ('EDSR', {'num_feet': 4}, r'its entry network_g does not make a EDSR \(.*num_feet'),
        ('EDSR', {'num_feat': 8}, 'does not fit EDSR: '),
        ('RRDBNet', {'num_out_ch': 1}, 'RRDBNet makes 1 x 32 x 32 of 3 x 16 x 16: use one that upscales RGB'),
        ('RRDBNet', {'num_in_ch': 4}, 'RRDBNet does not take RGB images of 16 x 16'),
    ],
)
def test_what_is_no_network_that_upscales_rgb_is_refused(tmp_path, trained, named, sentence):
    channels = {key: value for key, value in named.items() if key in RGB}
    network = {'type': trained, **RGB, **OTHERS[trained], **channels}
    content = {'params': build_network(dict(network)).state_dict(), 'network_g': {**network, **named}}
    torch.save(content, tmp_path / 'net.pth')
    with pytest.raises(InputError, match=sentence):
        load_network(tmp_path / 'net.pth', device='cpu')


def test_the_pixel_value_range_of_the_network_does_not_matter():
    torch.manual_seed(0)
    net = BSRNet(num_feat=4, num_group=1, num_block=1, upscale=2, img_range=255.0)
    image = torch.rand(1, 3, 6, 5)
    with torch.no_grad():
        torch.testing.assert_close(TorchNetwork(net, 'net', CPU)(image), net(255 * image) / 255)


def test_a_file_is_loaded_once_by_any_number_of_threads_until_it_changes(tmp_path, monkeypatch):
    save_tiny(tmp_path / 'net.pth')
    loads, got = [], []
    open_weights = networks.open_weights
    monkeypatch.setattr(networks, 'open_weights', lambda path: loads.append(path) or open_weights(path))
    threads = [
        threading.Thread(target=lambda: got.append(load_network(tmp_path / 'net.pth', device='cpu'))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 1
    assert len({id(network) for network in got}) == 1
    save_tiny(tmp_path / 'net.pth', scale=3)
    assert load_network(tmp_path / 'net.pth', device='cpu').scale == 3


def test_bf16_is_taken_where_it_is_computed_and_loses_next_to_nothing(monkeypatch):
    torch.manual_seed(0)
    net = BSRNet(num_feat=8, num_group=1, num_block=1, upscale=2)
    monkeypatch.setattr(networks, 'computes_bf16', lambda device: False)
    assert TorchNetwork(net, 'net', CPU, 'auto').precision == 'float32'
    monkeypatch.setattr(networks, 'computes_bf16', lambda device: True)
    chosen = TorchNetwork(net, 'net', CPU, 'auto')
    assert chosen.precision.startswith('bf16 (bf16 loses ')
    image = torch.rand(1, 3, 16, 16)
    with torch.no_grad(), torch.autocast('cpu', torch.bfloat16):
        torch.testing.assert_close(chosen(image), net(image.to(memory_format=torch.channels_last)).float())
    assert not torch.equal(chosen(image), TorchNetwork(net, 'net', CPU)(image))
    monkeypatch.setattr(networks, 'LARGEST_LOSS', -1.0)
    assert TorchNetwork(net, 'net', CPU, 'auto').precision.startswith('float32 (bf16 loses ')


def test_the_loss_is_a_difference_of_psnr():
    import skimage.data

    hr = torch.from_numpy(skimage.data.astronaut()[:192, 128:320].astype(np.float32) / 255).movedim(-1, 0)[None]
    loss = loss_of_bf16(lambda lr: hr + 0.01, lambda lr: hr + 0.02, 2)
    clipped = [float((((hr + error).clamp(0, 1) - hr) ** 2).mean()) for error in (0.01, 0.02)]
    assert loss == pytest.approx(10 * np.log10(clipped[1] / clipped[0]), abs=1e-4)


def test_the_loss_is_measured_for_any_scale():
    """192 pixels, which 5 does not divide, are cropped to 190."""
    shapes = []

    def network(lr):
        shapes.append(tuple(lr.shape))
        return torch.zeros(1, 3, 190, 190)

    assert loss_of_bf16(network, network, 5) == 0
    assert shapes == [(1, 3, 38, 38)] * 2


def onnx_file(path, shape=('N', 3, 'H', 'W'), metadata=(), scale=2.0, kind=onnx.TensorProto.FLOAT, pooled=False):
    """Nearest-neighbour upsampling as an ONNX file, after a mean over 3x3 pixels without padding if ``pooled``."""
    scales = onnx.helper.make_tensor('scales', onnx.TensorProto.FLOAT, [4], [1.0, 1.0, scale, scale])
    first = [onnx.helper.make_node('AveragePool', ['x'], ['z'], kernel_shape=[3, 3])] if pooled else []
    source = 'z' if pooled else 'x'
    node = onnx.helper.make_node(
        'Resize', [source, '', 'scales'], ['y'], mode='nearest', coordinate_transformation_mode='asymmetric'
    )
    graph = onnx.helper.make_graph(
        [*first, node],
        'nearest',
        [onnx.helper.make_tensor_value_info('x', kind, shape)],
        [onnx.helper.make_tensor_value_info('y', kind, ('N', 3, 'h', 'w'))],
        [scales],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid('', 18)], ir_version=9)
    onnx.helper.set_model_props(model, dict(metadata))
    path.write_bytes(model.SerializeToString())


def test_onnx_files(tmp_path):
    onnx_file(tmp_path / 'net.onnx')
    network = load_network(tmp_path / 'net.onnx', 2, 'cpu')
    assert (network.scale, network.reach) == (2, None)
    assert network.precision == 'float32, ONNX Runtime'
    image = torch.rand(1, 3, 5, 8)
    assert torch.equal(network(image), image.repeat_interleave(2, -1).repeat_interleave(2, -2))
    arguments = {'type': 'BSRNet', 'num_feat': 4, 'num_group': 2, 'num_block': 3, 'upscale': 2, 'img_range': 255.0}
    onnx_file(tmp_path / 'told.onnx', metadata={'network_g': json.dumps(arguments)})
    told = load_network(tmp_path / 'told.onnx', device='cpu')
    assert told.reach == 1 + 2 * 2 * 3 + 1 + 2
    torch.testing.assert_close(told(image), network(image))


@pytest.mark.parametrize(
    ('said', 'kind', 'sentence'),
    [
        ('Failed to allocate memory for requested buffer of size 9\nwhere', MemoryError, 'of size 9$'),
        (
            'Non-zero status code\nwhere',
            InputError,
            r'cannot be run on a tile of 8 x 5 pixels \(Non-zero .*code\)',
        ),
    ],
)
def test_what_onnx_runtime_fails_with_is_told_as_that_of_other_networks_is(tmp_path, said, kind, sentence):
    onnx_file(tmp_path / 'net.onnx')
    network = load_network(tmp_path / 'net.onnx', device='cpu')

    def run(names, given):
        raise Exception(said)

    network._session = SimpleNamespace(run=run)
    with pytest.raises(kind, match=sentence):
        network(torch.zeros(1, 3, 5, 8))


def test_onnx_files_run_on_what_there_is_unless_one_is_named(tmp_path, monkeypatch):
    onnx_file(tmp_path / 'net.onnx')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: ['CPUExecutionProvider'])
    assert load_network(tmp_path / 'net.onnx').scale == 2
    with pytest.raises(InputError, match='cannot run on a GPU: install onnxruntime-gpu, or use --device cpu'):
        load_network(tmp_path / 'net.onnx', device='cuda')


def test_onnx_files_take_no_precision(tmp_path):
    onnx_file(tmp_path / 'net.onnx')
    with pytest.raises(InputError, match=r'net\.onnx is an ONNX file, which has a precision of its own: leave'):
        load_network(tmp_path / 'net.onnx', precision='bf16')


def test_onnx_files_that_are_of_no_use(tmp_path):
    onnx_file(tmp_path / 'fixed.onnx', shape=(1, 3, 8, 8))
    with pytest.raises(InputError, match='takes images of one size only'):
        load_network(tmp_path / 'fixed.onnx', device='cpu')
    onnx_file(tmp_path / 'grey.onnx', shape=('N', 1, 'H', 'W'))
    with pytest.raises(InputError, match='does not map one RGB image to one'):
        load_network(tmp_path / 'grey.onnx', device='cpu')
    (tmp_path / 'torn.onnx').write_bytes((tmp_path / 'grey.onnx').read_bytes()[:30])
    with pytest.raises(InputError, match=r'torn\.onnx is damaged or not an ONNX file'):
        load_network(tmp_path / 'torn.onnx', device='cpu')


@pytest.mark.parametrize('settings', [{'pooled': True}, {'scale': 1.5}, {'scale': 0.5}, {'scale': 2.1}])
def test_onnx_files_whose_results_have_another_size(tmp_path, settings):
    onnx_file(tmp_path / 'net.onnx', **settings)
    with pytest.raises(InputError) as error:
        load_network(tmp_path / 'net.onnx', device='cpu')
    sentence = 'does not make an RGB image a whole number of times as large: export a network with bsr export.'
    assert str(error.value) == f'{tmp_path / "net.onnx"} {sentence}'


@pytest.mark.parametrize('scale', [1.0, 3.0])
def test_onnx_files_of_any_whole_scale(tmp_path, scale):
    onnx_file(tmp_path / 'net.onnx', scale=scale)
    assert load_network(tmp_path / 'net.onnx', device='cpu').scale == scale


def test_onnx_files_of_other_samples(tmp_path):
    onnx_file(tmp_path / 'net.onnx', kind=onnx.TensorProto.UINT8)
    with pytest.raises(InputError, match=r'cannot be run on an RGB image \(.*\): export a network') as error:
        load_network(tmp_path / 'net.onnx', device='cpu')
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    ('network_g', 'sentence'),
    [
        (
            '{"type": "BSRNet", "num_feat": 4, "of_tomorrow": 1}',
            'was made by a later version of bsr_plugin: .*of_tomor',
        ),
        ('{"type": "BSRNet", "num_feat": 4, "upscale": -1}', r'net\.onnx: .*upscale'),
        ('x2', r'has damaged metadata \(network_g: .*\): export the network again\.'),
    ],
)
def test_onnx_files_with_metadata_of_no_use(tmp_path, network_g, sentence):
    onnx_file(tmp_path / 'net.onnx', metadata={'network_g': network_g})
    with pytest.raises(InputError, match=sentence):
        load_network(tmp_path / 'net.onnx', device='cpu')


def test_onnx_files_whose_metadata_tell_of_no_network(tmp_path):
    onnx_file(tmp_path / 'net.onnx', metadata={'network_g': '[1]'})
    network = load_network(tmp_path / 'net.onnx', device='cpu')
    assert (network.scale, network.reach) == (2, None)
