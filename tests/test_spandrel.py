"""The checks that spandrel's own suite makes for each of its architectures, with the spandrel that is installed."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import bsr_plugin
from bsr_plugin.archs.bsr_arch import BSRNet
from bsr_plugin.errors import InputError
from bsr_plugin.models import safetensors_file
from bsr_plugin.spandrel import BSRArch, install

# isort: split
# After the plugin, which makes torchvision importable where its build is not that of torch.
import spandrel
from spandrel import (
    MAIN_REGISTRY,
    ArchRegistry,
    ImageModelDescriptor,
    ModelLoader,
    SizeRequirements,
    UnsupportedModelError,
)

#: Arguments of the network -> tags.
VARIANTS = {
    '': ({'num_feat': 8, 'num_group': 2, 'num_block': 3, 'upscale': 4}, ['8nf', '2ng', '3nb']),
    'x2 direct': (
        {'num_feat': 6, 'num_group': 3, 'num_block': 1, 'upscale': 2, 'upsampler': 'direct', 'expansion': 4},
        ['6nf', '3ng', '1nb', '4ex', 'direct'],
    ),
    'x3': (
        {'num_feat': 4, 'num_group': 1, 'num_block': 2, 'upscale': 3, 'attention': 'scalar'},
        ['4nf', '1ng', '2nb', 'scalar attention'],
    ),
    'x8': (
        {
            **{'num_feat': 4, 'num_group': 2, 'num_block': 1, 'upscale': 8},
            **{'attention': 'none', 'skip_connections': False},
        },
        ['4nf', '2ng', '1nb', 'none attention', 'no skip connections'],
    ),
}


@pytest.fixture(params=VARIANTS)
def variant(request):
    arguments, tags = VARIANTS[request.param]
    torch.manual_seed(2)
    return BSRNet(**arguments).eval().requires_grad_(False), arguments, tags


@pytest.fixture
def loader():
    """A loader with all of spandrel's architectures and this one, which leaves spandrel as it is."""
    registry = MAIN_REGISTRY.copy()
    install(registry)
    return ModelLoader(registry=registry)


def files(network, folder):
    """The same weights in the files they come in."""
    weights = network.state_dict()
    described = {'network_g': {'type': 'BSRNet', 'rgb_mean': (0.4488, 0.4371, 0.4040)}, 'scale': 2, 'versions': {}}
    others = {name: value + 1 for name, value in weights.items()}
    torch.save({'params': others, 'params_ema': weights, **described}, folder / 'bsr_model.pth')
    torch.save({'params': weights}, folder / 'sr_model.pth')
    torch.save({'params': {f'module.{name}': value for name, value in weights.items()}}, folder / 'parallel.pth')
    torch.save(weights, folder / 'bare.pth')
    safetensors_file.write(folder / 'net.safetensors', weights, {'network_g': '{"type": "BSRNet"}'})
    return sorted(folder.iterdir())


def test_load(variant, loader, tmp_path):
    """spandrel's ``assert_loads_correctly``: every parameter and tensor from the weights alone."""
    network, arguments, tags = variant
    for file in files(network, tmp_path):
        model = loader.load_from_file(file)
        assert isinstance(model, ImageModelDescriptor), file
        assert isinstance(model.model, BSRNet), file
        assert (model.architecture.id, model.architecture.name, model.purpose) == ('BSR', 'BSR', 'SR')
        assert model.scale == arguments['upscale']
        assert (model.input_channels, model.output_channels) == (3, 3)
        assert model.tags == tags
        assert (model.supports_half, model.supports_bfloat16) == (True, True)
        assert model.size_requirements == SizeRequirements(minimum=0, multiple_of=1, square=False)
        assert model.tiling == spandrel.ModelTiling.SUPPORTED
        found = model.model.state_dict()
        assert found.keys() == network.state_dict().keys()
        assert all(torch.equal(value, found[name]) for name, value in network.state_dict().items()), file


@pytest.mark.parametrize('size', [(1, 1), (3, 7), (17, 23), (31, 16)])
def test_infer(variant, loader, tmp_path, size):
    """spandrel's ``assert_image_inference`` and ``assert_size_requirements``."""
    network, arguments, _ = variant
    torch.save({'params': network.state_dict()}, tmp_path / 'net.pth')
    model = loader.load_from_file(tmp_path / 'net.pth')
    image = torch.rand(1, 3, *size)
    output = model(image)
    assert output.shape == (1, 3, *(side * arguments['upscale'] for side in size))
    assert torch.equal(output, network(image).clamp(0, 1))
    assert model.size_requirements.check(*size)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_other_types(loader, tmp_path, variant, dtype):
    network, _, _ = variant
    torch.save({'params': network.state_dict()}, tmp_path / 'net.pth')
    model = loader.load_from_file(tmp_path / 'net.pth').to(dtype)
    image = torch.rand(1, 3, 9, 11)
    output = model(image.to(dtype))
    assert output.dtype == dtype
    torch.testing.assert_close(output.float(), network(image).clamp(0, 1), atol=0.03, rtol=0)


def test_round_trip(variant, loader, tmp_path):
    """What spandrel has loaded and saved, it loads again."""
    network, _, tags = variant
    torch.save({'params_ema': network.state_dict()}, tmp_path / 'first.pth')
    first = loader.load_from_file(tmp_path / 'first.pth')
    torch.save(first.model.state_dict(), tmp_path / 'second.pth')
    second = loader.load_from_file(tmp_path / 'second.pth')
    image = torch.rand(1, 3, 6, 5)
    assert second.tags == tags
    assert torch.equal(first(image), second(image))


def test_no_architecture_takes_another_ones_weights(variant, loader):
    """spandrel asks one after the other, and takes the first that recognizes the weights."""
    weights = variant[0].state_dict()
    assert [support.architecture.id for support in loader.registry if support.detect(weights)] == ['BSR']
    from basicsr.archs.edsr_arch import EDSR
    from basicsr.archs.rcan_arch import RCAN
    from basicsr.archs.rrdbnet_arch import RRDBNet
    from basicsr.archs.srresnet_arch import MSRResNet

    small = {'num_feat': 8, 'num_block': 1}
    for other in (
        EDSR(3, 3, **small),
        RCAN(3, 3, num_group=1, **small),
        RRDBNet(3, 3, **small),
        MSRResNet(3, 3, **small),
    ):
        assert not BSRArch().detect(other.state_dict())


def run_python(code):
    """Runs code in an interpreter of its own, in which the plugin can be imported."""
    environment = {'PYTHONPATH': str(Path(bsr_plugin.__file__).parents[1])}
    return subprocess.run([sys.executable, '-c', code], env=environment, capture_output=True, text=True)


def test_installing_is_for_all_loaders_and_once():
    code = (
        'import bsr_plugin.spandrel as plugin, spandrel\n'
        'assert "BSR" not in spandrel.MAIN_REGISTRY\n'
        'plugin.install(), plugin.install()\n'
        'assert "BSR" in spandrel.ModelLoader().registry\n'
        'assert len([each for each in spandrel.MAIN_REGISTRY if each.architecture.id == "BSR"]) == 1\n'
    )
    done = run_python(code)
    assert done.returncode == 0, done.stderr


def test_a_registry_of_ones_own(tmp_path):
    registry = ArchRegistry()
    install(registry)
    assert len(registry) == 1
    torch.save({'params': {'head.weight': torch.zeros(3)}}, tmp_path / 'other.pth')
    with pytest.raises(UnsupportedModelError):
        ModelLoader(registry=registry).load_from_file(tmp_path / 'other.pth')


def test_without_spandrel_the_error_is_one_sentence():
    code = (
        'import sys; sys.modules["spandrel"] = None\n'
        'try: import bsr_plugin.spandrel\n'
        'except ImportError as error: print(error)\n'
    )
    done = run_python(code)
    assert done.stdout == 'spandrel is not installed: pip install spandrel.\n', done.stderr


def test_grey_images_get_a_sentence():
    network = BSRNet(num_in_ch=1, num_out_ch=1, num_feat=4, num_group=1, num_block=1, upscale=2, rgb_mean=0.4)
    with pytest.raises(InputError, match='rgb_mean has 3 entries for 1 input'):
        BSRArch().load(network.state_dict())
