"""Every file of pretrained weights: what it computes, and that file, card, recipe and registry agree."""

import json
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from safetensors import safe_open

import bsr_plugin
from bsr_plugin import load_model
from bsr_plugin.cli import main
from bsr_plugin.data.degradation import degrade, imresize
from bsr_plugin.models.shipped import FOLDER, NAMES
from bsr_plugin.weights import names, weights_file

ROOT = Path(bsr_plugin.__file__).parents[1]

#: Name -> mean and standard deviation of the output for a part of scikit-image's astronaut, and of its red
#: channel every 16th row and 18.5th column of the LR grid, in grey levels.
OUTPUTS = {
    'x2': (
        (170.636, 45.317),
        [[84.83, 219.0, 174.03, 140.85], [243.01, 217.25, 208.79, 209.9], [155.89, 202.68, 154.11, 205.72]],
    ),
    'x3': (
        (170.646, 45.296),
        [[84.79, 216.44, 173.16, 135.52], [243.23, 217.03, 205.53, 213.93], [161.34, 199.74, 152.39, 208.04]],
    ),
    'x4': (
        (170.684, 45.327),
        [[84.41, 217.71, 171.82, 136.49], [242.83, 217.39, 207.78, 211.5], [166.81, 200.89, 153.87, 206.05]],
    ),
    'x3_blur-down': (
        (170.822, 48.532),
        [[88.53, 219.29, 208.62, 159.2], [245.01, 215.61, 205.8, 213.0], [160.36, 213.58, 153.17, 204.73]],
    ),
}

shipped = pytest.mark.parametrize('name', names())


def test_each_has_its_output_here():
    assert set(names()) == set(OUTPUTS)
    assert {path.name for path in FOLDER.glob('*.safetensors')} == {f'bsr_{name}.safetensors' for name in names()}
    assert set(names()) <= set(NAMES)


def output(name, image):
    """The network's output for an image (H, W, 3) uint8, in grey levels (3, sH, sW), not rounded."""
    planes = torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32) / 255)
    with torch.inference_mode():
        return load_model(name)(planes[None])[0].clamp(0, 1).numpy() * 255


@shipped
def test_it_computes_what_it_did(name):
    (mean, deviation), red = OUTPUTS[name]
    result = output(name, skimage.data.astronaut()[100:148, 200:256])
    assert (result.mean(), result.std()) == pytest.approx((mean, deviation), abs=0.01)
    scale = load_model(name).upscale
    assert np.allclose(result[0, :: 16 * scale, :: 37 * scale // 2], red, atol=0.05)


@shipped
def test_it_is_a_decibel_above_bicubic_interpolation(name):
    scale = load_model(name).upscale
    hr = skimage.data.coffee()[100:244, 200:344]
    with safe_open(weights_file(name), 'pt') as file:
        lr = degrade(hr, scale, file.metadata()['degradation'])
    errors = [
        np.mean((np.asarray(version, np.float64) - hr) ** 2)
        for version in (output(name, lr).transpose(1, 2, 0), imresize(lr, *hr.shape[:2]))
    ]
    assert 10 * np.log10(errors[1] / errors[0]) > 1


@shipped
def test_the_card_is_that_of_the_file(name, tmp_path):
    assert main(['card', name, '-o', str(tmp_path / 'card.md')]) == 0
    assert (tmp_path / 'card.md').read_text() == weights_file(name).with_suffix('.md').read_text()


@shipped
def test_file_recipe_and_registry_agree(name):
    with safe_open(weights_file(name), 'pt') as file:
        said = file.metadata()
    assert said['scale'] == str(load_model(name).upscale)
    assert name == f'x{said["scale"]}' + ('' if said['degradation'] == 'bicubic' else f'_{said["degradation"]}')
    recipe = (ROOT / f'options/pretrained/train_{name}.yml').read_text()
    assert json.loads(said['recipe']) == {'file': f'train_{name}.yml', 'text': recipe}
    assert weights_file(name).stat().st_size < 4_000_000


@shipped
def test_the_readme_says_what_the_file_says(name):
    with safe_open(weights_file(name), 'pt') as file:
        said = file.metadata()
    scores = json.loads(said['scores'])
    means = [f'{scores[part]["psnr_y"]["mean"]:.2f}' for part in ('Set5', 'Set14', 'BSD100', 'Urban100')]
    assert [len(part['psnr_y']['images']) for part in scores.values()] == [5, 14, 100, 100]
    size = f'{int(said["parameters"]) / 1e6:.2f} M'
    row = f'| {name.replace("_", ", ")}, BSR | {size} | {" | ".join(means)} |'
    assert row in (ROOT / 'README.md').read_text().splitlines()
