"""From a loss to new weights: mixed precision, loss scaling, clipping."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from bsr_plugin.errors import InputError
from bsr_plugin.models.failures import NonFiniteError

#: A loss scale below this says that dozens of steps in a row were skipped; it begins at 2^16.
_SMALLEST_SCALE = 2.0**-24
_DTYPES = {'bf16': torch.bfloat16, 'fp16': torch.float16}


def computes_bf16(device: torch.device) -> bool:
    """Whether a device computes in bfloat16; emulated it is many times slower than float32."""
    if device.type == 'cuda':
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def share_of_batch(values: Mapping[str, Tensor], share: float, loss: nn.Module) -> dict[str, Tensor]:
    """What the values of a loss for a micro-batch add to those for the batch.

    Args:
        values: The values by name.
        share: Size of the micro-batch over that of the batch.
        loss: What they are of: sums over the samples (``reduction`` is ``'sum'``), or else means.
    """
    is_mean = getattr(loss, 'reduction', 'mean') == 'mean'
    return {name: share * value if is_mean and share < 1 else value for name, value in values.items()}


class GradientStep:
    """Forward, backward and update in the precision asked for.

    Args:
        amp: ``'bf16'``, ``'fp16'`` (with a loss scaler, as its gradients underflow) or ``None`` for float32.
        grad_clip: The global norm that gradients are clipped to, ``None`` for no clipping.
        device: Where the network is, ``cuda`` or ``cpu``.

    Raises:
        InputError: The GPU has no bfloat16.
    """

    def __init__(self, amp: str | None, grad_clip: float | None, device: torch.device) -> None:
        if amp == 'bf16' and device.type == 'cuda' and not computes_bf16(device):
            name = torch.cuda.get_device_name()
            raise InputError(f'train.amp is bf16, which the {name} does not compute: use fp16 or ~')
        self._dtype = _DTYPES[amp] if amp else None
        self._grad_clip = grad_clip
        self._device = device.type
        # Disabled, it does nothing and has an empty state.
        self._scaler = torch.amp.GradScaler(self._device, enabled=amp == 'fp16')

    def autocast(self) -> AbstractContextManager[Any]:
        """The context for the forward pass."""
        return torch.autocast(self._device, self._dtype) if self._dtype else nullcontext()

    def backward(self, loss: Tensor) -> None:
        """Accumulates the gradients of ``loss``, scaled if need be."""
        self._scaler.scale(loss).backward()

    def update(self, optimizer: Optimizer, parameters: Iterable[Tensor]) -> None:
        """Clips the gradients and updates the weights; the scaler skips the step if a gradient overflowed."""
        if self._grad_clip is not None:
            self._scaler.unscale_(optimizer)
            clip_grad_norm_(parameters, self._grad_clip)
        self._scaler.step(optimizer)
        self._scaler.update()

    def check(self) -> None:
        """Looks, waiting for the GPU, whether steps are still taken.

        Raises:
            NonFiniteError: In one iteration after the other a gradient was NaN or infinite, at every scale of the loss.
        """
        if self._scaler.is_enabled() and (scale := self._scaler.get_scale()) < _SMALLEST_SCALE:
            raise NonFiniteError(
                f'the gradients in fp16 have not been finite for so long that the loss scale is {scale:g} and '
                'nothing is learned: set train.amp to bf16 or ~'
            )

    def state_dict(self) -> dict[str, Any]:
        """The scaler's state, empty without one."""
        return self._scaler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on with a saved scaler; a run that had none starts a fresh one."""
        if state:
            self._scaler.load_state_dict(state)
