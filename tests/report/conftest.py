"""A project folder with a trained network, its log, and two real test runs of it on pictures drawn here."""

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
import yaml

NETWORK = {'type': 'BSRNet', 'num_feat': 6, 'num_group': 3, 'num_block': 1, 'upscale': 2}
METRICS = {
    'psnr_y': {'type': 'calculate_psnr', 'crop_border': 2, 'test_y_channel': True},
    'ssim_y': {'type': 'calculate_ssim', 'crop_border': 2, 'test_y_channel': True},
    'psnr_rgb': {'type': 'calculate_psnr', 'crop_border': 2, 'test_y_channel': False},
}


def picture(number: int, height: int, width: int) -> np.ndarray:
    """(H, W, 3) uint8: blobs, an edge, and stripes that get finer with the number."""
    generator = np.random.default_rng(number)
    blobs = cv2.resize(generator.integers(0, 256, (4, 5, 3), np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)
    blobs[height // 2 :, : width // 2] = 128 + 100 * (np.arange(width // 2) // (6 - number) % 2)[None, :, None] - 50
    return blobs


@pytest.fixture(scope='session')
def project(tmp_path_factory):
    """``root``, ``first``, ``second`` (results folders), ``hr``, ``log``, ``lr_store``, ``experiment``."""
    from bsr_plugin.archs.bsr_arch import BSRNet
    from bsr_plugin.cli import main

    root = tmp_path_factory.mktemp('project')
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    hr = root / 'datasets/Set5/GTmod12'
    hr.mkdir(parents=True)
    for number, name in enumerate(('baby', 'bird', 'butterfly', 'head', 'woman')):
        cv2.imwrite(str(hr / f'{name}.png'), picture(number, 88 + 4 * number, 96))
    assert main(['prepare', str(hr), '--out', str(root / 'datasets/Set5'), '--scale', '2', '--lr-window', '16']) == 0
    lr_store = root / 'datasets/Set5/LR_bicubic_x2.lmdb'

    torch.manual_seed(0)
    experiment = root / 'experiments/BSR_tiny'
    (experiment / 'models').mkdir(parents=True)
    network = BSRNet(**{key: value for key, value in NETWORK.items() if key != 'type'})
    with torch.no_grad():
        for attention in network.attention:
            attention.conv.weight.normal_(0, 2)
    torch.save({'params': network.state_dict()}, experiment / 'models/net_g_latest.pth')
    train_set = {'type': 'RFSPairedImageDataset', 'sampling': 'uniform', 'dataroot_lq': str(lr_store), 'gt_size': 32}
    options = {'scale': 2, 'datasets': {'train': train_set}, 'network_g': NETWORK}
    options['train'] = {'pixel_opt': {'type': 'HybridL1L2LpLoss', 'l2_weight': 1, 'l1_weight': 0.1, 'lp_weight': 0.01}}
    (experiment / 'train.yml').write_text(yaml.safe_dump(options))
    log = root / 'tb_logger/BSR_tiny'
    write_log(log, {'losses/l_pix': [(step, 1 / step) for step in range(1, 101)], 'metrics/Set5/psnr_y': [(50, 30.0)]})

    first = run_test(root, 'first', hr, experiment / 'models/net_g_latest.pth')
    second = run_test(root, 'second', hr, None)
    torch.set_num_threads(threads)
    return SimpleNamespace(
        root=root, first=first, second=second, hr=hr, log=log, lr_store=lr_store, experiment=experiment, network=network
    )


def write_log(folder: Path, scalars: dict) -> None:
    """A TensorBoard log, as BasicSR writes it."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:
        for tag, records in scalars.items():
            for step, value in records:
                writer.add_scalar(tag, value, step)


def run_test(root: Path, name: str, hr: Path, weights: Path | None) -> Path:
    """Runs basicsr/test.py's pipeline; gives the results folder."""
    from bsr_plugin.launch import test

    options = {
        'name': name,
        'model_type': 'SRModel',
        'scale': 2,
        'num_gpu': 0,
        'manual_seed': 0,
        'datasets': {'test_1': {'name': 'Set5', 'type': 'SRBenchmarkDataset', 'dataroot_gt': str(hr)}},
        'network_g': NETWORK,
        'path': {'pretrain_network_g': weights and str(weights), 'param_key_g': 'params'},
        'val': {'save_img': True, 'suffix': None, 'metrics': METRICS},
    }
    file = root / f'{name}.yml'
    file.write_text(yaml.safe_dump(options))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('sys.argv', ['test.py', '-opt', str(file)])
        assert test(root) == 0
    return root / 'results' / name


@pytest.fixture
def log_writer():
    return write_log
