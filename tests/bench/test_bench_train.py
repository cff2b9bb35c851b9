import json
import signal

import pytest
import torch
from torch._subclasses import FakeTensorMode

from bsr_plugin.bench.train import matrix_rates
from bsr_plugin.cli import main

SMALL = ['--device', 'cpu', '--steps', '20', '--batch', '1', '--groups', '1', '--blocks', '1', '--features', '8']


@pytest.mark.slow
def test_the_figures_are_those_of_the_engines_named(tmp_path, capsys):
    before = signal.getsignal(signal.SIGINT)
    path = tmp_path / 'figures.json'
    engines = ['--engines', 'bsr', '--networks', 'EDSR-M', '--lr-window', '12', '--scale', '2']
    assert main(['bench', 'train', *SMALL, *engines, '--json', str(path)]) == 0
    figures = json.loads(path.read_text())
    assert list(figures['iterations_per_s']) == ['stock', 'float32', 'bsr']
    assert min(figures['iterations_per_s'].values()) > 0
    assert figures['times_stock']['stock'] == 1
    assert figures['loss']['float32'] == figures['loss']['stock'], 'without switches the arithmetic is the same'
    assert figures['loss']['bsr'] != figures['loss']['stock']
    final = figures['final_loss']
    assert final['float32'] != final['stock'], 'only the average of BSRModel has a warm-up'
    assert figures['loss_difference'] == pytest.approx(
        {name: loss / final['float32'] - 1 for name, loss in final.items()}
    )
    assert figures['loss_difference']['bsr'] == pytest.approx(0, abs=0.05)
    assert len(figures['loss']['bsr']) == 10
    assert min(figures['peak_memory_mb'].values()) > 1
    # Multiply-adds per LR pixel: conv_first, body, attention, conv_fuse, upsample, and conv_last on four HR pixels.
    first, others = 3 * 8 * 9, 2 * 8 * 8 * 9 + 8 * 9 + 16 * 8 + 8 * 32 * 9 + 4 * 8 * 3 * 9
    # Forward, gradient of the input (not the image's), gradient of the weights.
    assert figures['gmacs_per_iteration'] == pytest.approx(144 * (2 * first + 3 * others) / 1e9, rel=1e-3)
    assert set(figures['networks']) == {'EDSR-M'}
    assert all(row['stock'] > 0 and row['bsr'] > 0 for row in figures['networks'].values())
    printed = capsys.readouterr().out
    assert f'{figures["iterations_per_s"]["bsr"]:.2f}' in printed
    assert 'matrix product, GMAC/s: float32 ' in printed
    assert signal.getsignal(signal.SIGINT) is before


def test_wrong_arguments_get_a_sentence(capsys, tmp_path):
    assert main(['bench', 'train', '--steps', '3']) == 2
    assert '--steps is 3: use at least 20.' in capsys.readouterr().err
    assert main(['bench', 'train', *SMALL, '--images', str(tmp_path / 'none')]) == 2
    assert 'none' in capsys.readouterr().err


def test_on_a_gpu_the_rate_that_float32_is_held_against_is_that_of_tf32(monkeypatch):
    """On fake tensors, which need no GPU."""
    precisions = []
    matmul = torch.Tensor.__matmul__
    monkeypatch.setattr(torch.cuda, 'synchronize', lambda: None)
    monkeypatch.setattr(
        torch.Tensor,
        '__matmul__',
        lambda left, right: precisions.append(torch.get_float32_matmul_precision()) or matmul(left, right),
    )
    before = torch.get_float32_matmul_precision()
    with FakeTensorMode():
        assert list(matrix_rates('cuda')) == ['TF32', 'bf16']
        assert set(precisions) == {'high'}
        monkeypatch.setattr(torch.backends.cudnn, 'allow_tf32', False)
        assert list(matrix_rates('cuda')) == ['float32', 'bf16']
    assert torch.get_float32_matmul_precision() == before
