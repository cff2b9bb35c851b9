"""Networks by name or by file, without an option file."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

import bsr_plugin
from bsr_plugin import load_model, weights
from bsr_plugin.archs.bsr_arch import BSRNet
from bsr_plugin.errors import InputError
from bsr_plugin.models import safetensors_file, shipped
from bsr_plugin.options.machine import missing_on_this_machine


@pytest.fixture
def network():
    torch.manual_seed(3)
    return BSRNet(num_feat=4, num_group=2, num_block=1, upscale=2).eval().requires_grad_(False)


@pytest.fixture
def ships(network, tmp_path, monkeypatch):
    """An installation with which the weights x2 ship, in half precision."""
    monkeypatch.setattr(shipped, 'FOLDER', tmp_path)
    for weight in network.parameters():
        weight.copy_(weight.half())
    halves = {name: value.half() for name, value in network.state_dict().items()}
    safetensors_file.write(tmp_path / 'bsr_x2.safetensors', halves, {})
    return network


def test_a_name_gives_the_network_that_ships(ships):
    loaded, image = load_model('x2'), torch.rand(2, 3, 5, 7)
    assert (loaded.upscale, loaded.training, loaded.conv_first.weight.dtype) == (2, False, torch.float32)
    assert torch.equal(loaded(image), ships(image))
    assert weights.names() == ['x2']
    with pytest.raises(InputError, match='no weights x3_blur-down ship'):
        load_model('x3_blur-down')


def test_it_is_float32_whatever_the_default_is(ships):
    torch.set_default_dtype(torch.float64)
    try:
        loaded = load_model('x2')
    finally:
        torch.set_default_dtype(torch.float32)
    image = torch.rand(1, 3, 4, 4)
    assert torch.equal(loaded(image), ships(image))


def test_the_package_lists_what_it_offers():
    assert {'load_model', 'upscale', 'register'} <= set(dir(bsr_plugin))
    with pytest.raises(AttributeError, match="has no attribute 'upscael'"):
        bsr_plugin.upscael  # noqa: B018


def test_what_is_neither_a_name_nor_a_file(ships):
    with pytest.raises(InputError, match=r'^x5 does not exist: give a file of weights, or one of the names x2\.$'):
        load_model('x5')


def test_other_networks_have_a_way_out(tmp_path):
    torch.save({'params': {'head.weight': torch.zeros(3)}, 'network_g': {'type': 'EDSR'}}, tmp_path / 'told.pth')
    torch.save({'params': {'head.weight': torch.zeros(3)}}, tmp_path / 'untold.pth')
    for name, sentence in (
        ('told', r'holds the weights of EDSR, not of BSRNet.*; bsr upscale and basicsr/test\.py take them'),
        ('untold', 'are not those of a BSRNet.* use a checkpoint of BSRModel, which names it, or an ONNX file'),
    ):
        with pytest.raises(InputError, match=rf'{name}\.pth.* {sentence}'):
            load_model(tmp_path / f'{name}.pth')


@pytest.mark.parametrize('kind', [str, Path])
def test_a_file_of_any_kind_gives_its_network(network, tmp_path, kind):
    image = torch.rand(1, 3, 5, 7)
    torch.save({'params': network.state_dict()}, tmp_path / 'net.pth')
    safetensors_file.write(tmp_path / 'net.safetensors', network.state_dict(), {})
    for name in ('net.pth', 'net.safetensors'):
        assert torch.equal(load_model(kind(tmp_path / name))(image), network(image))
    with pytest.raises(InputError, match=r'missing\.safetensors does not exist'):
        load_model(kind(tmp_path / 'missing.safetensors'))


def test_importing_the_package_and_asking_for_names_does_not_import_torch():
    code = 'import sys, bsr_plugin.weights; bsr_plugin.weights.names(); sys.exit("torch" in sys.modules)'
    environment = {'PYTHONPATH': str(Path(bsr_plugin.__file__).parents[1])}
    assert subprocess.run([sys.executable, '-c', code], env=environment).returncode == 0


def test_the_package_offers_no_more_than_it_says():
    assert bsr_plugin.load_model is weights.load_model
    with pytest.raises(AttributeError, match="module 'bsr_plugin' has no attribute 'load_modle'"):
        _ = bsr_plugin.load_modle


def test_option_files_name_them(ships):
    named = {'path': {'pretrain_network_g': 'x2', 'param_key_g': None}}
    assert missing_on_this_machine(named, is_train=False) == []
    named['path']['pretrain_network_g'] = 'x3'
    (line,) = missing_on_this_machine(named, is_train=False)
    assert line.startswith('`path.pretrain_network_g`: no weights x3 ship with this version')


@pytest.mark.parametrize('model_type', ['BSRModel', 'SRModel'])
def test_a_test_run_takes_them_by_name(ships, tmp_path, monkeypatch, capfd, model_type):
    from bsr_plugin import launch
    from bsr_plugin.data.image_file import encode_png
    from bsr_plugin.evaluation.results import read_results

    (tmp_path / 'hr').mkdir()
    generator = torch.Generator().manual_seed(0)
    for name in 'ab':
        pixels = torch.randint(0, 256, (24, 26, 3), generator=generator, dtype=torch.uint8)
        (tmp_path / 'hr' / f'{name}.png').write_bytes(encode_png(pixels.numpy()))
    options = {
        'name': 'shipped',
        'model_type': model_type,
        'scale': 2,
        'num_gpu': 0,
        'datasets': {'test': {'name': 'Two', 'type': 'SRBenchmarkDataset', 'dataroot_gt': str(tmp_path / 'hr')}},
        'network_g': {'type': 'BSRNet', 'num_feat': 4, 'num_group': 2, 'num_block': 1, 'upscale': 2},
        'path': {'pretrain_network_g': 'x2', 'param_key_g': None},
        'val': {'save_img': False, 'metrics': {'psnr': {'type': 'calculate_psnr', 'crop_border': 2}}},
    }
    file = tmp_path / 'test.yml'
    file.write_text('bsr_plugin: !!python/name:bsr_plugin.__version__\n' + yaml.safe_dump(options))
    monkeypatch.setattr(sys, 'argv', ['test.py', '-opt', str(file)])
    status = launch.test(tmp_path)
    said = capfd.readouterr().err
    if model_type == 'SRModel':
        assert status == 2
        assert 'bsr_x2.safetensors, which SRModel cannot read: use model_type: BSRModel for safetensors' in said
        return
    assert status == 0, said
    result = read_results(tmp_path / 'results' / 'shipped')
    assert result.weights == str(tmp_path / 'bsr_x2.safetensors')
    assert 2 < result.sets[0].mean['psnr'] < 60
