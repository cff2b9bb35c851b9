"""Test runs through the toolbox's own program, on pictures drawn here."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml

METRICS = {
    'psnr_y': {'type': 'calculate_psnr', 'crop_border': 2, 'test_y_channel': True},
    'ssim_y': {'type': 'calculate_ssim', 'crop_border': 2, 'test_y_channel': True},
    'psnr_rgb': {'type': 'calculate_psnr', 'crop_border': 2, 'test_y_channel': False},
}


def _picture(number: int, height: int, width: int) -> np.ndarray:
    """(H, W, 3) uint8: soft blobs and a hard edge, another one for every number."""
    generator = np.random.default_rng(number)
    blobs = cv2.resize(generator.integers(0, 256, (5, 6, 3), np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)
    blobs[:, : generator.integers(8, width - 8)] //= 2
    return blobs


@pytest.fixture
def picture():
    return _picture


@pytest.fixture(autouse=True)
def _one_thread():
    """The networks here are so small that a second thread only costs."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def run_test(tmp_path, monkeypatch):
    """``run_test(sets, **changes) -> exit status`` of basicsr/test.py; results are in ``tmp_path/results/run``."""
    from bsr_plugin.launch import test

    def run(sets: list[dict], **changes) -> int:
        options = {
            'name': 'run',
            'model_type': 'SRModel',
            'scale': 2,
            'num_gpu': 0,
            'manual_seed': 0,
            'datasets': {
                f'test_{number}': {'type': 'SRBenchmarkDataset', **options} for number, options in enumerate(sets)
            },
            'network_g': {'type': 'BSRNet', 'num_feat': 4, 'num_group': 1, 'num_block': 1, 'upscale': 2},
            'path': {'pretrain_network_g': None},
            'val': {'save_img': True, 'suffix': None, 'metrics': METRICS},
            **changes,
        }
        file = tmp_path / 'options.yml'
        file.write_text(yaml.safe_dump(options))
        monkeypatch.setattr('sys.argv', ['test.py', '-opt', str(file)])
        return test(tmp_path)

    return run


@pytest.fixture
def hr_folder(tmp_path):
    """Six pictures of different sizes."""
    folder = tmp_path / 'Six'
    folder.mkdir()
    for number in range(6):
        cv2.imwrite(str(folder / f'{number}.png'), _picture(number, 40 + number, 47 + 3 * number))
    return Path(folder)
