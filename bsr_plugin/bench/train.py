"""What an iteration costs: BasicSR's SRModel and BSRModel with its switches, in one process, taken in turn.

All contenders train the same network from the same weights on the same batches, so that their losses can be compared
as well. Batches are in memory before the clock starts: what drawing them costs is another benchmark.
"""

import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

import torch
from basicsr.archs import build_network
from basicsr.data import build_dataloader, build_dataset
from basicsr.models import build_model
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from bsr_plugin.bench.data_stores import training_set
from bsr_plugin.bench.engines import ENGINES, USUAL_NETWORKS, Engine, engine_options, engines_on, network_options
from bsr_plugin.bench.memory import peak_memory_mb
from bsr_plugin.data.prepare import Preparation, prepare
from bsr_plugin.progress import progress

ROUNDS = 10
NETWORK_ROUNDS = 3
#: Batches on which the trained networks are compared.
COMPARED = 25
MATRIX_SIDE = {'cpu': 2048, 'cuda': 8192}
#: Seconds that a product of matrices may take; where bf16 is emulated, large ones take minutes.
LONGEST_PRODUCT = 0.5


@dataclass(frozen=True)
class TrainSetting:
    """What is measured, and where.

    Attributes:
        device: ``cpu`` or ``cuda``.
        window: Side of an LR patch.
        features: Channels of the network.
        blocks: Residual blocks in each group.
        steps: Iterations of every engine, in ``ROUNDS`` parts.
        engines: Which engines, by their names in ``ENGINES``; ``stock`` and ``float32`` always take part.
        networks: Which of ``KNOWN_NETWORKS`` beside.
    """

    device: str = 'cpu'
    scale: int = 4
    window: int = 48
    batch: int = 4
    features: int = 64
    groups: int = 2
    blocks: int = 2
    steps: int = 200
    engines: Sequence[str] = tuple(ENGINES)
    networks: Sequence[str] = USUAL_NETWORKS

    def chosen(self) -> dict[str, Engine]:
        """The engines to measure, as far as the device can run them."""
        names = {'stock', 'float32', *self.engines}
        return {name: engine for name, engine in engines_on(self.device).items() if name in names}

    def in_words(self) -> str:
        """Device, network and batch."""
        return (
            f'{self.device}: BSRNet {self.groups} x {self.blocks}, {self.features} channels, x{self.scale}, '
            f'LR {self.window}, batch {self.batch}'
        )

    def network(self) -> dict[str, Any]:
        """The options of the network that all engines train."""
        shape = {'num_feat': self.features, 'num_group': self.groups, 'num_block': self.blocks}
        return {'type': 'BSRNet', **shape, 'upscale': self.scale}


@dataclass
class TrainFigures:
    """What was measured; dictionaries are by engine where nothing else is said.

    Attributes:
        iterations_per_s: Median rate over the rounds.
        times_stock: Median over the rounds of the rate divided by ``stock``'s in the same round.
        loss: Mean training loss of every round; the batches are the same for all engines.
        final_loss: Loss of the trained network, the averaged one as in validation, over batches it was trained on.
        loss_difference: Relative difference of the final loss from ``float32``'s, whose arithmetic is ``stock``'s; only
            the averages of these two differ.
        peak_memory_mb: Of a process of its own, beyond what it needs before the model is built.
        gmacs_per_iteration: Multiply-adds of the network, forward and backward, in units of 10^9.
        matrix_gmacs_per_s: What a plain matrix product reaches in ``float32`` (or ``TF32``) and in ``bf16``.
        networks: BasicSR's own networks: iterations per second by engine, and multiply-adds.
        of_matrix: What an engine reaches as a share of the matrix product of its precision.
        titles: What tables call an engine.
        device: Where.
        setting: Network and batch, in words.
        steps: Iterations of every engine.
    """

    device: str
    setting: str
    steps: int
    titles: dict[str, str]
    iterations_per_s: dict[str, float] = field(default_factory=dict)
    times_stock: dict[str, float] = field(default_factory=dict)
    loss: dict[str, list[float]] = field(default_factory=dict)
    final_loss: dict[str, float] = field(default_factory=dict)
    loss_difference: dict[str, float] = field(default_factory=dict)
    peak_memory_mb: dict[str, float] = field(default_factory=dict)
    gmacs_per_iteration: float = 0.0
    matrix_gmacs_per_s: dict[str, float] = field(default_factory=dict)
    of_matrix: dict[str, float] = field(default_factory=dict)
    networks: dict[str, dict[str, float]] = field(default_factory=dict)


class Contender:
    """One engine in training, on a network with these options."""

    def __init__(self, engine: Engine, network: Mapping[str, Any], device: str, folder: Path) -> None:
        self._as_bytes = engine.as_bytes
        self._iteration = 0
        torch.manual_seed(0)
        self.model = build_model(engine_options(engine, network, device, folder))

    def train(self, batches: Sequence[Mapping[str, Tensor]]) -> tuple[float, float]:
        """Trains on all batches; gives the iterations per second and the mean loss."""
        fed = batches if self._as_bytes else [_as_floats(batch) for batch in batches]
        losses = []
        with _own_signals():
            _finish(self.model.device)
            began = time.perf_counter()
            for batch in fed:
                self._iteration += 1
                self.model.update_learning_rate(self._iteration)
                self.model.feed_data(batch)
                self.model.optimize_parameters(self._iteration)
                losses.append(self._last_loss())
            _finish(self.model.device)
            rate = len(fed) / (time.perf_counter() - began)
        return rate, float(torch.stack(losses).mean())

    @torch.no_grad()
    def final_loss(self, batches: Sequence[Mapping[str, Tensor]]) -> float:
        """Mean loss of the averaged network in float32."""
        device = self.model.device
        losses = []
        for batch in map(_as_floats, batches):
            lq, gt = (batch[side].to(device) for side in ('lq', 'gt'))
            losses.append(self.model.cri_pix(self.model.net_g_ema(lq), gt))
        return float(torch.stack(losses).mean())

    def _last_loss(self) -> Tensor:
        """Where it is: SRModel has brought it to the CPU, BSRModel has not."""
        losses = self.model.losses if hasattr(self.model, 'losses') else self.model.log_dict
        return torch.as_tensor(losses['l_pix'])


def measure_train(setting: TrainSetting, batches: Sequence[Mapping[str, Tensor]], folder: Path) -> TrainFigures:
    """Measures all engines on one device, on the batches that ``draw_batches`` makes; models may save in ``folder``."""
    # As BasicSR's training does it.
    torch.backends.cudnn.benchmark = True
    titles = {name: engine.title for name, engine in setting.chosen().items()}
    figures = TrainFigures(setting.device, setting.in_words(), setting.steps, titles)
    figures.matrix_gmacs_per_s = matrix_rates(setting.device)
    figures.gmacs_per_iteration = gmacs_per_iteration(setting.network(), batches[0])
    _compare_engines(setting, batches, folder, figures)
    float32, bf16 = figures.matrix_gmacs_per_s.values()
    for name, engine in setting.chosen().items():
        reached = figures.iterations_per_s[name] * figures.gmacs_per_iteration
        figures.of_matrix[name] = reached / (bf16 if engine.train.get('amp') else float32)
    for name in setting.networks:
        network = network_options(name, setting.scale)
        figures.networks[name] = _network_rates(network, setting.device, batches, folder)
    for name, engine in progress(setting.chosen().items(), label='Measuring memory', unit='engine'):
        opt = engine_options(engine, setting.network(), setting.device, folder)
        fed = batches[0] if engine.as_bytes else _as_floats(batches[0])
        figures.peak_memory_mb[name] = peak_memory_mb(opt, fed)
    return figures


def draw_batches(setting: TrainSetting, images: Path, folder: Path) -> list[dict[str, Tensor]]:
    """Makes stores of the images and draws balanced batches, one for every step.

    Raises:
        InputError: The images are unfit.
    """
    task = Preparation(images, folder, setting.scale, lr_window=setting.window)
    prepare(task)
    stores = task.hr_path, task.lr_path
    opt = training_set(stores, setting.scale, setting.window, setting.batch, uint8=True, seed=0)
    dataset = build_dataset(opt)
    loader = build_dataloader(dataset, opt, sampler=range(setting.steps * setting.batch), seed=0)
    return [{side: batch[side].integers for side in ('lq', 'gt')} for batch in loader]


def matrix_rates(device: str) -> dict[str, float]:
    """10^9 multiply-adds per second of a square matrix product, the best of several, in what convolutions compute in.

    On a GPU, PyTorch lets the convolutions of a float32 network use TF32, but not its matrix products.
    """
    float32 = 'TF32' if device == 'cuda' and torch.backends.cudnn.allow_tf32 else 'float32'
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision('high' if float32 == 'TF32' else before)
    rates = {float32: _matrix_rate(device, torch.float32), 'bf16': _matrix_rate(device, torch.bfloat16)}
    torch.set_float32_matmul_precision(before)
    return rates


def _matrix_rate(device: str, dtype: torch.dtype) -> float:
    """Of the largest matrices whose product does not take too long."""
    side = 128
    while True:
        left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
        seconds = []
        for _ in range(6):
            _finish(torch.device(device))
            began = time.perf_counter()
            left @ right
            _finish(torch.device(device))
            seconds.append(time.perf_counter() - began)
        if side == MATRIX_SIDE[device] or 8 * min(seconds) > LONGEST_PRODUCT:
            return side**3 / min(seconds) / 1e9
        side *= 2


def gmacs_per_iteration(network: Mapping[str, Any], batch: Mapping[str, Tensor]) -> float:
    """10^9 multiply-adds of one forward and backward pass, counted without computing them."""
    # Not built there: SwinIR computes with numbers of its own while it is built.
    net, lq = build_network(dict(network)).to('meta'), torch.empty(batch['lq'].shape, device='meta')
    with FlopCounterMode(display=False) as counter:
        net(lq).sum().backward()
    return counter.get_total_flops() / 2 / 1e9


def _compare_engines(
    setting: TrainSetting, batches: Sequence[Mapping[str, Tensor]], folder: Path, figures: TrainFigures
) -> None:
    network, engines = setting.network(), setting.chosen()
    contenders = {name: Contender(engine, network, setting.device, folder) for name, engine in engines.items()}
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    figures.loss = {name: [] for name in contenders}
    supply = cycle(batches)
    per_round = max(1, setting.steps // ROUNDS)
    for _ in progress(range(ROUNDS), label=f'Training on {setting.device}', unit='round'):
        of_this_round = list(islice(supply, per_round))
        for name, contender in contenders.items():
            rate, loss = contender.train(of_this_round)
            rates[name].append(rate)
            figures.loss[name].append(loss)
    for name in contenders:
        # The first round warms up: memory, kernels, compilation.
        pairs = list(zip(rates[name][1:], rates['stock'][1:], strict=True))
        figures.iterations_per_s[name] = median(rate for rate, _ in pairs)
        figures.times_stock[name] = median(rate / stock for rate, stock in pairs)
        figures.final_loss[name] = contenders[name].final_loss(batches[:COMPARED])
    for name, loss in figures.final_loss.items():
        figures.loss_difference[name] = loss / figures.final_loss['float32'] - 1


def _network_rates(
    network: Mapping[str, Any], device: str, batches: Sequence[Mapping[str, Tensor]], folder: Path
) -> dict[str, float]:
    figures = {'gmacs_per_iteration': gmacs_per_iteration(network, batches[0])}
    for name in ('stock', 'bsr'):
        contender = Contender(engines_on(device)[name], network, device, folder)
        contender.train(batches[:1])
        figures[name] = median(contender.train(batches[:1])[0] for _ in range(NETWORK_ROUNDS))
    return figures


def _as_floats(batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {side: image.float() / 255 for side, image in batch.items()}


def _finish(device: torch.device) -> None:
    if device.type == 'cuda':
        torch.cuda.synchronize()


@contextmanager
def _own_signals() -> Iterator[None]:
    """Lets Ctrl-C end the benchmark, which has nothing to save."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
