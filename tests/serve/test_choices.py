import re
import shutil

import pytest
import torch
from basicsr.archs import build_network

from bsr_plugin import load_model
from bsr_plugin.cli import main
from bsr_plugin.errors import InputError
from bsr_plugin.serve import choices
from bsr_plugin.serve.choices import load_choices
from bsr_plugin.weights import names


def test_by_default_all_that_ship():
    assert [choice.name for choice in load_choices([], 'cpu')] == names()


def count(weights):
    return sum(weight.numel() for weight in load_model(weights).parameters())


def test_lines_begin_their_cards(tiny):
    shipped, file = load_choices(['x2', str(tiny), 'x2'], 'cpu')
    assert (shipped.name, shipped.network.scale) == ('x2', 2)
    assert re.fullmatch(rf'{count("x2"):,} parameters, PSNR 3\d\.\d\d dB on Set5', shipped.line)
    assert (file.name, file.line) == ('tiny_x2', f'x2, {count(tiny)} parameters')
    image = torch.rand(1, 3, 8, 8)
    with torch.no_grad():
        # Where the processor computes bf16, that is taken.
        tolerance = 1e-5 if file.network.precision.startswith('float32') else 0.02
        assert torch.allclose(file.network(image), load_model(tiny)(image), atol=tolerance)


def test_onnx_files(tiny, tmp_path):
    assert main(['export', str(tiny), '-o', str(tmp_path / 'net.onnx')]) == 0
    (choice,) = load_choices([str(tmp_path / 'net.onnx')], 'cpu')
    assert (choice.name, choice.line, choice.network.scale) == ('net', 'x2, ONNX', 2)


def test_a_network_of_the_toolbox(tmp_path):
    network = {'type': 'EDSR', 'num_in_ch': 3, 'num_out_ch': 3, 'num_feat': 4, 'num_block': 1, 'upscale': 3}
    net = build_network(dict(network))
    torch.save({'params': net.state_dict(), 'network_g': network}, tmp_path / 'edsr.pth')
    (choice,) = load_choices([str(tmp_path / 'edsr.pth')], 'cpu')
    # Convolutions of 3 x 3 with a bias: 3 to 4, three of 4 to 4, 4 to 4 x 9 before the shuffle, and 4 to 3.
    weights = sum(9 * here * there + there for here, there in ((3, 4), (4, 4), (4, 4), (4, 4), (4, 36), (4, 3)))
    assert (choice.name, choice.line) == ('edsr', f'x3, EDSR, {weights:,} parameters')
    assert choice.network(torch.zeros(1, 3, 5, 6)).shape == (1, 3, 15, 18)


def test_two_files_of_one_name(tiny, tmp_path):
    other = shutil.copy(tiny, tmp_path / tiny.name)
    with pytest.raises(InputError, match='--weights names two files tiny_x2: rename one of them'):
        load_choices([str(tiny), str(other)], 'cpu')


def test_without_any(monkeypatch):
    monkeypatch.setattr(choices, 'names', list)
    with pytest.raises(InputError, match='No weights ship with this version of bsr_plugin: give --weights FILE'):
        load_choices([], 'cpu')
    with pytest.raises(InputError, match=r'nowhere\.pth does not exist: give a file of weights'):
        load_choices(['nowhere.pth'], 'cpu')
