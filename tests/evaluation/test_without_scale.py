"""A test of denoising, which has no scale, and its report."""

import pytest
import torch
from basicsr.metrics import calculate_psnr
from basicsr.utils import tensor2img
from basicsr.utils.registry import DATASET_REGISTRY

from bsr_plugin.errors import InputError
from bsr_plugin.evaluation.results import read_results
from bsr_plugin.report.baselines import lr_image
from bsr_plugin.report.build import build_report

EDSR = {'type': 'EDSR', 'num_in_ch': 3, 'num_out_ch': 3, 'num_feat': 4, 'num_block': 1, 'upscale': 1}


class NoisyImages(torch.utils.data.Dataset):
    """Two images, and the same with noise."""

    def __init__(self, opt):
        self.opt = opt

    def __len__(self):
        return 2

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        gt = torch.rand(3, 16, 16, generator=generator)
        noise = torch.randn(3, 16, 16, generator=generator)
        return {'lq': gt + 0.1 * noise, 'gt': gt, 'lq_path': f'noisy{index}.png', 'gt_path': f'{index}.png'}


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    """For these tests alone: the schema of option files lists what is registered."""
    monkeypatch.setitem(DATASET_REGISTRY._obj_map, 'NoisyImages', NoisyImages)


@pytest.mark.parametrize('engine', ['SRModel', 'BSRModel'])
def test_what_has_no_scale_is_measured_and_reported(run_test, tmp_path, engine):
    metrics = {'rgb': {'type': 'calculate_psnr', 'crop_border': 0, 'test_y_channel': False}}
    val = {'save_img': True, 'suffix': None, 'metrics': metrics}
    sets = [{'name': 'Noisy', 'type': 'NoisyImages'}]
    assert run_test(sets, model_type=engine, scale=None, network_g=EDSR, val=val) == 0
    (kept,) = read_results(tmp_path / 'results/run').sets
    assert (kept.scale, [image.name for image in kept.images]) == (None, ['0', '1'])
    first = NoisyImages({})[0]
    noisy, clean = (tensor2img([first[side][None]]) for side in ('lq', 'gt'))
    assert abs(kept.images[0].values['rgb'] - calculate_psnr(noisy, clean, 0)) > 1e-3, 'not of the input'
    content = build_report([tmp_path / 'results/run'], tmp_path / 'report')
    assert (content.tables, content.examples, content.baselines, content.problems) == ([], [], {}, [])
    text = (tmp_path / 'report/index.html').read_text()
    assert 'Noisy: 2 images' in text
    assert f'{kept.mean["rgb"]:.2f}' in text
    assert 'xNone' not in text
    with pytest.raises(InputError, match='Noisy was tested without scale: set it in the option file'):
        lr_image(kept, kept.images[0])
