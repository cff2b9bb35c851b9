"""What files of weights say about themselves, where it comes from, and their cards."""

import pytest
import torch
import yaml

from bsr_plugin.archs.bsr_arch import BSRNet
from bsr_plugin.cli import main
from bsr_plugin.data.image_file import encode_png
from bsr_plugin.errors import InputError
from bsr_plugin.evaluation.results import ImageResult, RunResult, SetResult, write_results
from bsr_plugin.models import safetensors_file
from bsr_plugin.models.load_network import load_bsrnet
from bsr_plugin.weights import weights_file
from bsr_plugin.weights.about import WeightsMetadata
from bsr_plugin.weights.card import card
from bsr_plugin.weights.provenance import scores_of

SMALL = {'num_feat': 4, 'num_group': 1, 'num_block': 1, 'upscale': 2}
PSNR, SSIM = ({'type': f'calculate_{kind}', 'crop_border': 2, 'test_y_channel': True} for kind in ('psnr', 'ssim'))


@pytest.fixture
def checkpoint(tmp_path):
    """A file as BSRModel writes it, with weights that half precision holds."""
    torch.manual_seed(0)
    weights = {name: value.half().float() for name, value in BSRNet(**SMALL).state_dict().items()}
    content = {
        'params': {name: value * 0 for name, value in weights.items()},
        'params_ema': weights,
        'network_g': {'type': 'BSRNet', **SMALL, 'rgb_mean': (0.1, 0.2, 0.3)},
        'scale': 2,
        'versions': {'bsr_plugin': '0.0.7', 'torch': '2.6.0'},
    }
    torch.save(content, tmp_path / 'net_g_9.pth')
    return tmp_path / 'net_g_9.pth'


@pytest.fixture
def results(tmp_path, checkpoint):
    """Results of a test run with these weights."""

    def write(folder='results', weights=checkpoint, **changes):
        images = [
            ImageResult(name, f'/hr/{name}.png', None, None, {'p': psnr, 's': ssim})
            for name, psnr, ssim in (('baby', 38.123456, 0.96), ('bird', 40.0, 0.98))
        ]
        part = SetResult('Set5', 2, changes.pop('degradation', 'bicubic'), images, [], {'p': 39.061728, 's': 0.97})
        network = {'type': 'BSRNet', **SMALL}
        metrics = {'p': PSNR, 's': SSIM}
        (tmp_path / folder).mkdir()
        write_results(
            tmp_path / folder,
            RunResult('test', network, 1, weights and str(weights), 'params_ema', metrics, [part], {}),
        )
        return tmp_path / folder

    return write


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """An option file of a training, and its training set."""
    (tmp_path / 'hr').mkdir()
    generator = torch.Generator().manual_seed(0)
    for name in 'abc':
        pixels = torch.randint(0, 256, (40, 40, 3), generator=generator, dtype=torch.uint8)
        (tmp_path / 'hr' / f'{name}.png').write_bytes(encode_png(pixels.numpy()))
    words = [str(tmp_path / 'hr'), '--out', str(tmp_path / 'stores'), '--scale', '2', '--lr-window', '8']
    assert main(['prepare', *words, '--copies', '0.5']) == 0
    train = {'name': 'Three', 'dataroot_gt': str(tmp_path / 'stores/HR_x2.lmdb'), 'io_backend': {'type': 'lmdb'}}
    (tmp_path / 'train.yml').write_text('# how it was trained\n' + yaml.safe_dump({'datasets': {'train': train}}))
    return tmp_path / 'train.yml'


def export(*words):
    return main(['export', *map(str, words)])


def test_everything_is_in_the_header_and_on_the_card(tmp_path, checkpoint, results, recipe, capsys):
    out = tmp_path / 'bsr_x2.safetensors'
    assert export(checkpoint, '-o', out, '--recipe', recipe, '--results', results()) == 0
    header = safetensors_file.read(out)[1]
    about = WeightsMetadata.from_header(header, out)
    assert about.precision == 'float16'  # the weights are halves, which costs nothing
    assert about.network_g['rgb_mean'] == [0.1, 0.2, 0.3]
    assert about.parameters == sum(weight.numel() for weight in BSRNet(**SMALL).parameters())
    assert (about.scale, about.degradation) == (2, 'bicubic')
    assert about.versions == {'bsr_plugin': '0.0.7', 'torch': '2.6.0'}
    assert (about.training_set.name, about.training_set.images) == ('Three', 6)
    assert about.recipe.text.startswith('# how it was trained\n')
    psnr = about.scores['Set5']['psnr_y']
    assert (psnr.mean, psnr.images) == (39.0617, {'baby': 38.1235, 'bird': 40.0})
    assert 'psnr_rgb' not in about.scores['Set5']
    again = BSRNet(**{name: value for name, value in about.network_g.items() if name != 'type'})
    assert again.state_dict().keys() == load_bsrnet(out).state_dict().keys()

    assert main(['card', str(out)]) == 0
    text = (tmp_path / 'bsr_x2.md').read_text()
    assert text == card(about, 'bsr_x2.safetensors')
    for line in (
        '# BSR x2',
        "    network = load_model('x2')  # (N, 3, H, W) RGB in [0, 1] to (N, 3, 2 H, 2 W)",
        f'- Training set: Three, 6 images, digest `{about.training_set.digest}`.',
        '| set | PSNR-Y (dB) | SSIM-Y |',
        '| Set5 (2) | 39.06 | 0.9700 |',
        '| baby | 38.12 | 0.9600 |',
        '# how it was trained',
    ):
        assert line in text.splitlines(), line
    assert 'noise' in text
    assert 'JPEG' in text


def test_what_a_file_says_is_kept_when_it_is_exported_again(tmp_path, checkpoint, results, recipe):
    first, second = tmp_path / 'first.safetensors', tmp_path / 'second.safetensors'
    assert export(checkpoint, '-o', first, '--recipe', recipe) == 0
    assert export(first, '-o', second, '--results', results(weights=first), '--no-half') == 2  # params_ema is not there
    run = results('others', weights=checkpoint)
    assert export(first, '-o', second, '--results', run, '--no-half') == 0
    before, after = (WeightsMetadata.from_header(safetensors_file.read(file)[1], file) for file in (first, second))
    assert (before.recipe, before.training_set, before.versions) == (after.recipe, after.training_set, after.versions)
    assert (before.scores, list(after.scores)) == ({}, ['Set5'])
    assert (before.precision, after.precision) == ('float16', 'float32')
    values = [load_bsrnet(file).state_dict() for file in (first, second)]
    assert all(torch.equal(value, values[1][name]) for name, value in values[0].items())


@pytest.mark.parametrize(('name', 'words'), [('x.onnx', []), ('x.safetensors', ['--half'])])
def test_images_that_nothing_is_measured_on_are_refused(tmp_path, checkpoint, capsys, name, words):
    assert export(checkpoint, '-o', tmp_path / name, '--images', tmp_path, *words) == 2
    assert f'--images is {tmp_path}, but it serves to try float16' in capsys.readouterr().err
    assert not (tmp_path / name).exists()


def test_scores_of_other_weights_are_refused(tmp_path, checkpoint, results):
    network = load_bsrnet(checkpoint)
    assert scores_of(results('good'), network)[1] == 'bicubic'
    with torch.no_grad():
        network.conv_last.bias[0] += 1e-3
    with pytest.raises(InputError, match=r'good tested .*net_g_9\.pth, which are other weights: test these'):
        scores_of(tmp_path / 'good', network)
    with pytest.raises(InputError, match=r'random tested random weights'):
        scores_of(results('random', weights=None), network)


@pytest.mark.parametrize(
    ('header', 'sentence'),
    [
        ({}, 'does not say what it holds: bsr export .*safetensors -o FILE.safetensors makes one that does'),
        ({'network_g': '{}', 'scale': '2', 'parameters': '1'}, 'network_g: it lacks the type BSRNet or img_range'),
        (
            {'network_g': '{"type": "EDSR", "img_range": 255}', 'scale': '2', 'parameters': '1'},
            'network_g: it lacks the type BSRNet',
        ),
        ({'network_g': '{}', 'scale': 'two', 'parameters': '1'}, 'scale: Input should be a valid integer'),
        ({'network_g': '{}', 'scale': '2', 'parameters': '1', 'degradation': 'jpeg'}, 'degradation: Input should be'),
    ],
)
def test_a_header_that_cannot_be_gets_a_sentence(tmp_path, header, sentence):
    with pytest.raises(InputError, match=sentence):
        WeightsMetadata.from_header(header, tmp_path / 'x.safetensors')


@pytest.mark.parametrize(
    ('words', 'sentence'),
    [
        ('x3_blur-down -o net.onnx', 'no weights x3_blur-down ship with this version'),
        ('missing.pth -o net.onnx', 'missing.pth does not exist'),
        ('{checkpoint} -o net.bin', 'net.bin ends with .bin: use .safetensors, .onnx, .pt2.'),
        ('{checkpoint} -o folder.pt2', 'folder.pt2 cannot be used (Is a directory)'),
        ('{checkpoint} -o net_g_9.pth/x.pt2', 'net_g_9.pth cannot be used (Not a directory)'),
        ('{checkpoint} -o net.safetensors --results nothing', 'nothing has no metrics.json'),
        ('{checkpoint} -o net.safetensors --recipe missing.yml', 'missing.yml'),
        ('{checkpoint} -o net.safetensors --param-key ema', 'has no entry ema: set --param-key to params'),
        ('{checkpoint} -o net.safetensors --images missing', 'missing is not a folder'),
    ],
)
def test_what_cannot_be_exported_gets_a_sentence(tmp_path, checkpoint, monkeypatch, capsys, words, sentence):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr('bsr_plugin.models.shipped.FOLDER', tmp_path / 'none')
    (tmp_path / 'folder.pt2').mkdir()
    before = sorted(tmp_path.iterdir())
    assert export(*words.format(checkpoint=checkpoint).split()) == 2
    assert sentence in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


def test_a_card_is_made_of_safetensors_alone_and_not_over_them(checkpoint, tmp_path, capsys):
    assert main(['card', str(checkpoint)]) == 2
    assert 'is not a safetensors file: make one with bsr export' in capsys.readouterr().err
    out = tmp_path / 'copy.safetensors'
    before = weights_file('x2').read_bytes()
    out.write_bytes(before)
    assert main(['card', str(out), '-o', str(out)]) == 2
    assert f'{out} is the file of weights, and would be written over' in capsys.readouterr().err
    assert out.read_bytes() == before
