"""What of the engine is fast on this machine, measured within seconds on a small network."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
import torch
from basicsr.data import build_dataset

from bsr_plugin.bench.data_stores import training_set
from bsr_plugin.bench.engines import Engine, engines_on
from bsr_plugin.bench.train import Contender
from bsr_plugin.data.prepare import Preparation, prepare
from bsr_plugin.progress import progress

#: Enough arithmetic in an iteration to tell the engines apart, little enough for seconds.
NETWORK = {'type': 'BSRNet', 'num_feat': 64, 'num_group': 1, 'num_block': 2, 'upscale': 4}
_SCALE, _WINDOW, _BATCH = 4, 32, 4
_ROUNDS = 5
#: Seconds after which no further round begins.
_LONGEST = 30.0
#: What a switch has to gain before it is recommended: less is noise.
_WORTH_IT = 1.03
_ENGINES = ('float32', 'channels_last', 'bf16', 'bf16_channels_last', 'bsr', 'bsr_compiled')


@dataclass(frozen=True)
class FastHere:
    """What was measured.

    Attributes:
        device: ``cpu`` or ``cuda``.
        seconds: Median seconds of an iteration by engine, in the order of ``ENGINES``.
        patches_per_s: Patches that one core draws from an LMDB store of ``bsr prepare``, with augmentation.
        train: The options of the section ``train`` that are worth it here.
        uint8: Whether ``datasets.train.uint8`` is, too.
    """

    device: str
    seconds: dict[str, float]
    patches_per_s: float
    train: dict[str, Any]
    uint8: bool


def measure_fast_here(device: str, folder: Path, compile_too: bool = False) -> FastHere:
    """Measures the engines in turn, and drawing batches; files go to ``folder``.

    Args:
        device: ``cpu`` or ``cuda``.
        folder: An empty folder.
        compile_too: Whether to measure ``torch.compile``, which takes a minute or more to begin.
    """
    # As BasicSR's training does it.
    torch.backends.cudnn.benchmark = True
    names = [name for name in _ENGINES if compile_too or name != 'bsr_compiled']
    engines = {name: engine for name, engine in engines_on(device).items() if name in names}
    batches, patches_per_s = _drawn(folder / 'stores')
    contenders = {name: Contender(engine, NETWORK, device, folder) for name, engine in engines.items()}
    for contender in contenders.values():
        contender.train(batches[:1])
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    began = time.monotonic()
    for number in progress(range(_ROUNDS), label=f'Training on {device}', unit='round'):
        if number and time.monotonic() - began > _LONGEST:
            break
        for name, contender in contenders.items():
            taken[name].append(1 / contender.train(batches)[0])
    seconds = {name: median(values) for name, values in taken.items()}
    best = engines[recommended(engines, seconds)]
    return FastHere(device, seconds, patches_per_s, dict(best.train), best.as_bytes)


def recommended(engines: Mapping[str, Engine], seconds: Mapping[str, float]) -> str:
    """The fastest engine; of engines within 3 percent of it, that with the fewest switches."""
    fastest = min(seconds.values())
    near = [name for name in seconds if seconds[name] <= _WORTH_IT * fastest]
    return min(near, key=lambda name: len(engines[name].train) + engines[name].as_bytes)


def _drawn(folder: Path) -> tuple[Sequence[Mapping[str, torch.Tensor]], float]:
    """Two batches of random images in an LMDB store, and how many patches one core draws from it in a second."""
    images = folder / 'images'
    images.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for number in range(4):
        noise = generator.integers(0, 256, (64, 64, 3), np.uint8)
        image = cv2.resize(noise, (512, 512), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(images / f'{number}.png'), image)
    task = Preparation(images, folder, _SCALE, lr_window=_WINDOW)
    prepare(task)
    opt = training_set((task.hr_path, task.lr_path), _SCALE, _WINDOW, _BATCH, uint8=True, seed=0)
    dataset = build_dataset(opt)
    drawn = [dataset.__getitems__(range(start, start + _BATCH)) for start in range(0, 4 * _BATCH, _BATCH)]
    began, count = time.perf_counter(), 50
    for number in range(count):
        dataset.__getitems__(range(number * _BATCH, (number + 1) * _BATCH))
    rate = count * _BATCH / (time.perf_counter() - began)
    batches = [
        {side: torch.stack([patch[side].integers for patch in batch]) for side in ('lq', 'gt')} for batch in drawn[:2]
    ]
    return batches, rate
