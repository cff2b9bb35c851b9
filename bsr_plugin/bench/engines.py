"""The engines that ``bsr bench train`` compares, and the options they are built from."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from bsr_plugin.models.gradient_step import computes_bf16

PIXEL_LOSS = {'type': 'HybridL1L2LpLoss'}


@dataclass(frozen=True)
class Engine:
    """A model type with its switches, options of the section ``train``, and the devices it is measured on.

    ``as_bytes``: it takes uint8 batches.
    """

    model_type: str = 'BSRModel'
    train: Mapping[str, Any] = field(default_factory=dict)
    as_bytes: bool = False
    devices: tuple[str, ...] = ('cpu', 'cuda')

    @property
    def title(self) -> str:
        """What tables call it."""
        switches = [value if name == 'amp' else name for name, value in self.train.items()]
        if not switches:
            return f'{self.model_type}, ' + ('float32' if self.model_type == 'SRModel' else 'no switch')
        return '  ' + ', '.join(switches + ['uint8'] * self.as_bytes)


_LAST, _BF16, _FUSED = {'channels_last': True}, {'amp': 'bf16'}, {'fused': True}

#: In the order of the table; processors without float16 arithmetic take minutes for it.
ENGINES = {
    'stock': Engine('SRModel'),
    'float32': Engine(),
    'channels_last': Engine(train=_LAST),
    'bf16': Engine(train=_BF16),
    'fp16': Engine(train={'amp': 'fp16'}, devices=('cuda',)),
    'bf16_channels_last': Engine(train=_BF16 | _LAST),
    'bsr': Engine(train=_BF16 | _LAST | _FUSED, as_bytes=True),
    'bsr_compiled': Engine(train=_BF16 | _LAST | _FUSED | {'compile': True}, as_bytes=True),
}


def engines_on(device: str) -> dict[str, Engine]:
    """The engines that a device can run; without bf16 where it does not compute that, and each of them once."""
    found: dict[str, Engine] = {}
    for name, engine in ENGINES.items():
        if not computes_bf16(torch.device(device)):
            engine = replace(engine, train={key: value for key, value in engine.train.items() if value != 'bf16'})
        if device in engine.devices and engine not in found.values():
            found[name] = engine
    return found


_COMMON = {'num_in_ch': 3, 'num_out_ch': 3, 'num_feat': 64, 'res_scale': 1, 'img_range': 255.0}

#: BasicSR's own networks as its option files have them.
KNOWN_NETWORKS: dict[str, dict[str, Any]] = {
    'EDSR-M': {'type': 'EDSR', **_COMMON, 'num_block': 16},
    'RCAN': {'type': 'RCAN', **_COMMON, 'num_group': 10, 'num_block': 20, 'squeeze_factor': 16},
    'RRDBNet': {'type': 'RRDBNet', 'num_in_ch': 3, 'num_out_ch': 3, 'num_feat': 64, 'num_block': 23},
    'MSRResNet': {'type': 'MSRResNet', 'num_feat': 64, 'num_block': 16},
    'SwinIR': {
        'type': 'SwinIR',
        **{'img_size': 48, 'window_size': 8, 'depths': (6,) * 6, 'num_heads': (6,) * 6, 'embed_dim': 180},
        **{'mlp_ratio': 2, 'upsampler': 'pixelshuffle'},
    },
}
#: Those that are measured where none are named: what ends in minutes.
USUAL_NETWORKS = ('EDSR-M', 'RCAN')


def network_options(name: str, scale: int) -> dict[str, Any]:
    """The options of a network in ``KNOWN_NETWORKS`` for a factor, which RRDBNet calls ``scale``."""
    return {**KNOWN_NETWORKS[name], 'scale' if name == 'RRDBNet' else 'upscale': scale}


def engine_options(engine: Engine, network: Mapping[str, Any], device: str, folder: Path) -> dict[str, Any]:
    """What ``build_model`` takes: the recipe of the paper, for the engine and network named."""
    return {
        'name': 'bench',
        'model_type': engine.model_type,
        'num_gpu': 0 if device == 'cpu' else 1,
        'dist': False,
        'rank': 0,
        'world_size': 1,
        'is_train': True,
        'manual_seed': 0,
        'network_g': dict(network),
        'path': {'models': str(folder), 'training_states': str(folder)},
        'train': {
            'ema_decay': 0.999,
            'optim_g': {'type': 'Adam', 'lr': 2e-4, 'betas': (0.9, 0.99)},
            'scheduler': {'type': 'MultiStepLR', 'milestones': [10**9]},
            'pixel_opt': dict(PIXEL_LOSS),
            **engine.train,
        },
    }
