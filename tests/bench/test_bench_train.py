import json
import multiprocessing
import signal

import pytest
import torch
from basicsr.archs import build_network
from torch._subclasses import FakeTensorMode

from bsr_plugin.bench import engines, memory, train
from bsr_plugin.bench.engines import KNOWN_NETWORKS, network_options
from bsr_plugin.bench.train import gmacs_per_iteration, matrix_rates
from bsr_plugin.cli import main
from bsr_plugin.models.gradient_step import computes_bf16

CPU = torch.device('cpu')
SMALL = ['--device', 'cpu', '--steps', '20', '--batch', '1', '--groups', '1', '--blocks', '1', '--features', '8']


@pytest.mark.slow
def test_the_figures_are_those_of_the_engines_named(tmp_path, capsys, monkeypatch):
    # Memory is measured in processes that have imported everything, and small matrices are fast enough.
    forked = multiprocessing.get_context('forkserver')
    monkeypatch.setattr(memory.multiprocessing, 'get_context', lambda method: forked)
    monkeypatch.setitem(train.MATRIX_SIDE, 'cpu', 256)
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
    float32, bf16 = figures['matrix_gmacs_per_s'].values()
    reached = {name: rate * figures['gmacs_per_iteration'] for name, rate in figures['iterations_per_s'].items()}
    assert figures['of_matrix']['stock'] == pytest.approx(reached['stock'] / float32)
    assert figures['of_matrix']['bsr'] == pytest.approx(reached['bsr'] / (bf16 if computes_bf16(CPU) else float32))
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


def test_a_processor_that_emulates_bf16_is_measured_in_float32(monkeypatch):
    monkeypatch.setattr(engines, 'computes_bf16', lambda device: False)
    emulating = engines.engines_on('cpu')
    assert {name: engine.title for name, engine in emulating.items()} == {
        'stock': 'SRModel, float32',
        'float32': 'BSRModel, no switch',
        'channels_last': '  channels_last',
        'bsr': '  channels_last, fused, uint8',
        'bsr_compiled': '  channels_last, fused, compile, uint8',
    }
    assert not any(engine.train.get('amp') for engine in emulating.values())
    monkeypatch.setattr(engines, 'computes_bf16', lambda device: True)
    computing = {name: engine.title for name, engine in engines.engines_on('cpu').items()}
    assert computing['bsr'] == '  bf16, channels_last, fused, uint8'
    assert 'fp16' not in computing
    assert 'fp16' in engines.engines_on('cuda')


def test_matrices_are_as_large_as_their_product_is_fast(monkeypatch):
    """A clock that counts multiply-adds: bf16 a thousand times slower than float32."""
    clock, sides = [0.0], []

    def product(left, right):
        clock[0] += left.size(0) ** 3 / (1e11 if left.dtype == torch.float32 else 1e8)
        sides.append((left.dtype, left.size(0)))
        return left

    monkeypatch.setattr(torch.Tensor, '__matmul__', product)
    monkeypatch.setattr(train.time, 'perf_counter', lambda: clock[0])
    assert matrix_rates('cpu') == pytest.approx({'float32': 100, 'bf16': 0.1})
    assert max(side for dtype, side in sides if dtype == torch.float32) == 2048
    assert max(side for dtype, side in sides if dtype == torch.bfloat16) == 256


@pytest.mark.parametrize('name', KNOWN_NETWORKS)
def test_known_networks_are_built_for_every_factor_and_counted(name):
    for scale in (2, 4):
        network = network_options(name, scale)
        small = {'num_feat': 8, 'num_block': 1, 'num_group': 1, 'squeeze_factor': 4, 'num_grow_ch': 4}
        small |= {'embed_dim': 6, 'depths': (1,), 'num_heads': (1,)}
        network |= {key: value for key, value in small.items() if key in network}
        net = build_network(dict(network)).eval()
        lq = torch.rand(2, 3, 16, 16)
        with torch.no_grad():
            assert net(lq).shape == (2, 3, 16 * scale, 16 * scale)
        convolutions = [part for part in net.modules() if isinstance(part, torch.nn.Conv2d)]
        assert gmacs_per_iteration(network, {'lq': lq}) > 0
        if name == 'MSRResNet' and scale == 2:
            # Forward, weight gradients, input gradients of all but the first; those behind the shuffle on 32 x 32.
            sides = [16] * (len(convolutions) - 2) + [32] * 2
            macs = [2 * side**2 * part.weight.numel() for part, side in zip(convolutions, sides, strict=True)]
            assert gmacs_per_iteration(network, {'lq': lq}) == pytest.approx((3 * sum(macs) - macs[0]) / 1e9)
