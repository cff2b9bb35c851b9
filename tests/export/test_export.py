"""Exported files compute what the network computes, on any size, and say what they are."""

import importlib.util
import json

import numpy as np
import pytest
import torch

from bsr_plugin.archs.bsr_arch import BSRNet
from bsr_plugin.errors import InputError
from bsr_plugin.export import export as exporting
from bsr_plugin.export import onnx_file, program_file, verification
from bsr_plugin.export.export import Format, export
from bsr_plugin.models.load_network import load_bsrnet
from bsr_plugin.models.weights import WeightsFile
from bsr_plugin.weights.about import WeightsMetadata

#: Of both upsamplers, of another range and attention.
NETWORKS = {
    'x2': {'upscale': 2, 'upsampler': 'direct', 'expansion': 2},
    'x3': {'upscale': 3, 'attention': 'scalar', 'img_range': 255.0, 'rgb_mean': (0.1, 0.5, 0.9)},
    'x4': {'upscale': 4, 'skip_connections': False},
}
#: None of them is one that the exporters or the verification use.
SIZES = ((1, 37, 11), (2, 9, 53), (4, 3, 3), (1, 1, 7))


def network_of(name):
    torch.manual_seed(5)
    return BSRNet(num_feat=6, num_group=2, num_block=1, **NETWORKS[name]).eval().requires_grad_(False)


def about_of(network, path):
    return WeightsMetadata.of(
        WeightsFile(path, {}, {}, {'degradation': 'bicubic', 'versions': {'torch': '2'}}), network
    )


def differences(network, run):
    """In grey levels, of all values on sizes that nothing was traced or verified with."""
    found = []
    for batch, height, width in SIZES:
        image = torch.rand(batch, 3, height, width) * network.img_range
        output = run(image)
        assert output.dtype == torch.float32
        assert output.shape == (batch, 3, network.upscale * height, network.upscale * width)
        found.append((output - network(image)).abs().flatten() * 255 / network.img_range)
    return torch.cat(found).detach().numpy()


def assert_alike(network, run, precision):
    found = differences(network, run)
    if precision == 'float32':
        assert found.max() < 0.01  # and the limit is 1
    else:
        assert np.quantile(found, 0.999) < 0.5
        assert found.max() > 0.001  # float16 it is


@pytest.mark.slow
@pytest.mark.parametrize('precision', ['float32', 'float16'])
@pytest.mark.parametrize('name', ['x2', 'x3'])
def test_onnx_runtime_gives_what_pytorch_gives(tmp_path, name, precision):
    import onnxruntime

    network = network_of(name)
    made = export(network, about_of(network, tmp_path), tmp_path / 'net.onnx', precision)
    content = made.path.read_bytes()
    assert_alike(network, onnx_file.run(content), precision)
    session = onnxruntime.InferenceSession(content, providers=['CPUExecutionProvider'])
    (given,), (got,) = session.get_inputs(), session.get_outputs()
    kind = {'float32': 'tensor(float)', 'float16': 'tensor(float16)'}[precision]
    assert (given.type, got.type) == (kind, kind)
    assert given.shape == ['batch', 3, 'height', 'width']
    assert [given.shape[1], got.shape[1]] == [3, 3]
    metadata = session.get_modelmeta().custom_metadata_map
    assert WeightsMetadata.from_header(metadata, made.path) == made.about
    assert (metadata['scale'], metadata['precision']) == (str(network.upscale), precision)
    assert json.loads(metadata['network_g'])['img_range'] == network.img_range
    # The exporter notes lines of source code with their paths.
    assert b'.py' not in content


@pytest.mark.parametrize('precision', ['float32', 'float16'])
@pytest.mark.parametrize('name', NETWORKS)
def test_a_program_of_torch_export_gives_what_the_network_gives(tmp_path, name, precision):
    network = network_of(name)
    made = export(network, about_of(network, tmp_path), tmp_path / 'net.pt2', precision)
    content = made.path.read_bytes()
    assert_alike(network, program_file.run(content), precision)
    assert WeightsMetadata.from_header(program_file.read_header(content), made.path) == made.about
    files = {'about.json': ''}
    program = torch.export.load(made.path, extra_files=files)
    assert json.loads(files['about.json'])['precision'] == precision
    dtype = getattr(torch, precision)
    assert {value.dtype for value in program.state_dict.values()} == {dtype}
    assert b'.py"' not in content


@pytest.mark.parametrize('precision', ['float32', 'float16'])
@pytest.mark.parametrize('name', NETWORKS)
def test_safetensors_give_the_network_back(tmp_path, name, precision):
    network = network_of(name)
    made = export(network, about_of(network, tmp_path), tmp_path / 'net.safetensors', precision)
    loaded = load_bsrnet(made.path)
    assert_alike(network, loaded, precision)
    if precision == 'float32':
        assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in network.state_dict().items())
        assert made.difference.largest == 0
    size = {'float32': 4, 'float16': 2}[precision] * sum(weight.numel() for weight in network.parameters())
    assert size < made.size == made.path.stat().st_size


def test_the_difference_is_measured_in_grey_levels_of_the_range():
    network = network_of('x3')

    def other(image):
        output = network(image)
        output[:, :, 0, 0] += 3.0
        return output + 0.25

    found = verification.difference(network, other)
    assert found.largest == pytest.approx(3.25, abs=1e-3)
    assert found.most == pytest.approx(0.25, abs=1e-3)
    broken = verification.difference(network, lambda image: network(image) * torch.nan)
    assert broken.largest == float('inf')


@pytest.mark.parametrize(
    ('precision', 'error', 'is_refused'),
    [('float32', 0.9, False), ('float32', 1.1, True), ('float16', 0.45, False), ('float16', 0.55, True)],
)
def test_a_file_that_differs_too_much_does_not_take_its_place(tmp_path, monkeypatch, precision, error, is_refused):
    network = network_of('x2')
    wrong = Format('wrong', lambda *_: b'content', lambda _: lambda image: network(image) + error / 255)
    monkeypatch.setitem(exporting.FORMATS, '.pt2', wrong)
    path = tmp_path / 'net.pt2'
    path.write_bytes(b'before')
    if not is_refused:
        export(network, about_of(network, path), path, precision)
        assert path.read_bytes() == b'content'
        return
    with pytest.raises(InputError, match=r'net\.pt2 was not written: its output would differ .* by (1\.1|0\.55) grey'):
        export(network, about_of(network, path), path, precision)
    assert path.read_bytes() == b'before'
    assert [each.name for each in tmp_path.iterdir()] == ['net.pt2']


def test_other_endings_and_missing_packages_get_a_sentence(tmp_path, monkeypatch):
    network = network_of('x2')
    for name, ending in (('net.pth', '.pth'), ('net', 'nothing')):
        with pytest.raises(InputError, match=f'{name} ends with {ending}: use .safetensors, .onnx, .pt2'):
            export(network, about_of(network, tmp_path), tmp_path / name)
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None if 'onnx' in name else find(name))
    with pytest.raises(InputError) as caught:
        export(network, about_of(network, tmp_path), tmp_path / 'net.onnx')
    assert str(caught.value) == "ONNX needs onnx, onnxruntime, onnxscript: pip install -e '.[export]' in the clone."
    assert list(tmp_path.iterdir()) == []
