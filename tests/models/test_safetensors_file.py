"""safetensors files of weights: tensors and what they are, whole or refused."""

import json
import struct

import pytest
import safetensors.torch
import torch

from bsr_plugin.archs.bsr_arch import BSRNet
from bsr_plugin.errors import InputError
from bsr_plugin.models.load_network import load_bsrnet
from bsr_plugin.models.safetensors_file import read, write
from bsr_plugin.models.weights import check_weights, open_weights

SMALL = {'num_feat': 3, 'num_group': 2, 'num_block': 1, 'upscale': 3}


@pytest.fixture
def network():
    return BSRNet(**SMALL, img_range=255.0, rgb_mean=(0.1, 0.2, 0.3)).eval().requires_grad_(False)


@pytest.fixture
def saved(network, tmp_path):
    described = {'type': 'BSRNet', **SMALL, 'img_range': 255.0, 'rgb_mean': [0.1, 0.2, 0.3]}
    write(tmp_path / 'net.safetensors', network.state_dict(), {'network_g': json.dumps(described), 'scale': '3'})
    return tmp_path / 'net.safetensors'


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16])
def test_what_is_read_is_what_was_written_and_the_library_reads_it_too(tmp_path, dtype):
    torch.manual_seed(0)
    strided = torch.randn(4, 6).to(dtype).t()
    tensors = {'b': strided, 'a': torch.tensor(3.0, dtype=dtype), 'c': torch.empty(0, 2, dtype=dtype)}
    write(tmp_path / 'x.safetensors', tensors, {'scale': '2'})
    found, metadata = read(tmp_path / 'x.safetensors')
    other = safetensors.torch.load_file(tmp_path / 'x.safetensors')
    assert set(found) == set(other) == set(tensors)
    for name, value in tensors.items():
        assert found[name].dtype == other[name].dtype == dtype
        assert torch.equal(found[name], value)
        assert torch.equal(other[name], value)
    assert metadata['scale'] == '2'
    assert metadata['format'] == 'pt'


def test_a_network_comes_back_with_what_its_tensors_do_not_tell(saved, network):
    image = torch.rand(1, 3, 5, 6) * 255
    assert torch.equal(load_bsrnet(saved)(image), network(image))
    without = saved.with_name('bare.safetensors')
    safetensors.torch.save_file(network.state_dict(), without)
    assert load_bsrnet(without).img_range == 1.0
    assert torch.equal(
        load_bsrnet(without, network={'img_range': 255, 'rgb_mean': [0.1, 0.2, 0.3]})(image), network(image)
    )


def test_it_is_a_bare_state_dict_to_option_files(saved):
    assert list(open_weights(saved).entries) == [None]
    check_weights(saved, None, {'type': 'BSRNet', **SMALL})
    with pytest.raises(InputError, match=r'has no entry params: set path\.param_key_g to ~, because it is a bare'):
        check_weights(saved, 'params', {'type': 'BSRNet', **SMALL})
    with pytest.raises(InputError, match=r'does not fit BSRNet'):
        check_weights(saved, None, {'type': 'BSRNet', **SMALL, 'num_feat': 4})


@pytest.mark.parametrize('is_train', [True, False])
def test_bsr_model_starts_from_it(build, tmp_path, is_train):
    weights = {name: value.half() for name, value in build().net_g.state_dict().items()}
    write(tmp_path / 'start.safetensors', weights, {})
    start = {'pretrain_network_g': str(tmp_path / 'start.safetensors'), 'param_key_g': None}
    model = build(is_train=is_train, name='other', path=start)
    networks = [model.net_g, *([model.net_g_ema] if is_train else [])]
    for net in networks:
        assert all(torch.equal(value, weights[name].float()) for name, value in net.state_dict().items())


def test_every_kind_of_damage_is_refused(saved):
    whole = saved.read_bytes()
    length = struct.unpack('<Q', whole[:8])[0]
    values = 8 + length
    for damaged in (b'', whole[:5], whole[: values - 3], whole[:-1], whole + b'x', b'PK' + whole):
        saved.write_bytes(damaged)
        with pytest.raises(InputError, match=r'net\.safetensors is damaged or not a safetensors file'):
            read(saved)
    for at in range(values, len(whole), 997):
        saved.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(InputError, match=r'net\.safetensors is damaged: its tensors do not match their digest'):
            read(saved)
    saved.write_bytes(whole)
    assert read(saved)[1]['scale'] == '3'


@pytest.mark.parametrize('text', ['{', '[1]', 'BSRNet'])
def test_a_header_that_cannot_be_read_gets_a_sentence(tmp_path, network, text):
    write(tmp_path / 'x.safetensors', network.state_dict(), {'network_g': text})
    with pytest.raises(InputError, match='network_g in its header is not an object in JSON'):
        load_bsrnet(tmp_path / 'x.safetensors')


def test_what_is_not_there_and_what_cannot_be_written(tmp_path):
    with pytest.raises(InputError, match=r'none\.safetensors does not exist'):
        read(tmp_path / 'none.safetensors')
    (tmp_path / 'folder.safetensors').mkdir()
    with pytest.raises(InputError, match=r'folder\.safetensors'):
        read(tmp_path / 'folder.safetensors')
    with pytest.raises(IsADirectoryError):
        write(tmp_path / 'folder.safetensors', {'a': torch.zeros(1)}, {})
    assert [path.name for path in tmp_path.iterdir()] == ['folder.safetensors']
