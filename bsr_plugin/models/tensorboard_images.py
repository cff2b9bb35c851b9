"""Validation images in TensorBoard: bicubic interpolation, the network's result and the HR image side by side."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bsr_plugin.data.degradation import imresize


class ValidationImages:
    """Writes the first images of a validation set.

    Args:
        writer: TensorBoard's ``SummaryWriter``.
        number: How many images.
        dataset: Name of the set; an image has the tag ``images/SET/NAME``.
        iteration: The iteration that is validated.
    """

    def __init__(self, writer: Any, number: int, dataset: str, iteration: int) -> None:
        self._writer, self._left = writer, number
        self._dataset, self._iteration = dataset, iteration

    def add(self, name: str, visuals: Mapping[str, Tensor]) -> None:
        """Writes an image, if it is one of the first.

        Args:
            name: Its name.
            visuals: What the toolbox's ``get_current_visuals`` returns: ``lq``, ``result`` and, if there is one,
                ``gt``, (1, 3, H, W) RGB in [0, 1] on the CPU.
        """
        if self._left > 0:
            self._left -= 1
            tag = f'images/{self._dataset}/{name}'
            self._writer.add_image(tag, strip(visuals), self._iteration, dataformats='HWC')


def strip(visuals: Mapping[str, Tensor]) -> NDArray[np.uint8]:
    """Bicubic, SR and, if there is one, HR image of the SR image's size side by side, (H, 2 W or 3 W, 3) RGB."""
    result = _to_uint8(visuals['result'])
    height, width = result.shape[:2]
    images = [imresize(_to_uint8(visuals['lq']), height, width), result]
    if 'gt' in visuals:
        images.append(_to_uint8(visuals['gt'])[:height, :width])
    return np.concatenate(images, axis=1)


def _to_uint8(image: Tensor) -> NDArray[np.uint8]:
    pixels = (image[0].float().clamp(0, 1) * 255).round().to(torch.uint8)
    return np.ascontiguousarray(pixels.permute(1, 2, 0).numpy())
