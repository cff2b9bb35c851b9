"""The engines that ``bsr bench train`` compares, and the options they are built from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PIXEL_LOSS = {'type': 'HybridL1L2LpLoss'}


@dataclass(frozen=True)
class Engine:
    """A model type with its switches.

    Attributes:
        title: What the table calls it.
        model_type: ``SRModel`` or ``BSRModel``.
        train: Options of the section ``train``.
        as_bytes: Whether it takes uint8 batches.
        devices: Where it is measured.
    """

    title: str
    model_type: str = 'BSRModel'
    train: Mapping[str, Any] = field(default_factory=dict)
    as_bytes: bool = False
    devices: tuple[str, ...] = ('cpu', 'cuda')


_LAST, _BF16, _FUSED = {'channels_last': True}, {'amp': 'bf16'}, {'fused': True}

#: In the order of the table; processors without float16 arithmetic take minutes for it.
ENGINES = {
    'stock': Engine('SRModel, float32', 'SRModel'),
    'float32': Engine('BSRModel, no switch'),
    'channels_last': Engine('  channels_last', train=_LAST),
    'bf16': Engine('  amp: bf16', train=_BF16),
    'fp16': Engine('  amp: fp16', train={'amp': 'fp16'}, devices=('cuda',)),
    'bf16_channels_last': Engine('  bf16, channels_last', train=_LAST | _BF16),
    'bsr': Engine('  bf16, channels_last, fused, uint8', train=_LAST | _BF16 | _FUSED, as_bytes=True),
    'bsr_compiled': Engine('  all these, compile', train=_LAST | _BF16 | _FUSED | {'compile': True}, as_bytes=True),
}


_COMMON = {'num_in_ch': 3, 'num_out_ch': 3, 'num_feat': 64, 'res_scale': 1, 'img_range': 255.0}

#: BasicSR's own networks as its option files have them.
KNOWN_NETWORKS: dict[str, dict[str, Any]] = {
    'EDSR-M': {'type': 'EDSR', **_COMMON, 'num_block': 16},
    'RCAN': {'type': 'RCAN', **_COMMON, 'num_group': 10, 'num_block': 20, 'squeeze_factor': 16},
}


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
