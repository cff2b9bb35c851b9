"""Networks that are ready to use: the pretrained weights in this folder, and those in any other file.

A file says all about itself in its header (``about.py``), and the Markdown file beside it is made from that
(``card.py``).
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from bsr_plugin.errors import InputError
from bsr_plugin.models.shipped import names, weights_file

if TYPE_CHECKING:
    from bsr_plugin.archs.bsr_arch import BSRNet
    from bsr_plugin.models.weights import WeightsFile

__all__ = ['existing_file', 'load_model', 'names', 'open_bsrnet', 'weights_file']


def load_model(name_or_file: str | os.PathLike[str]) -> 'BSRNet':
    """Loads a BSRNet with its weights, in eval mode, float32, on the CPU.

    It takes a batch (N, 3, H, W) of RGB images in [0, ``img_range``], which is [0, 1] for the pretrained weights, and
    gives (N, 3, s * H, s * W) in the same range, not clipped; s is its attribute ``upscale``.

    Args:
        name_or_file: A name of :func:`names`, such as ``x2``; or a file with a BSRNet: safetensors, or a checkpoint of
            BSRModel or SRModel.

    Raises:
        InputError: There are no such weights, or the file is missing, damaged, refused, or holds another network.
    """
    # torch and the toolbox take seconds to import; names are known without them.
    from bsr_plugin.models.load_network import bsrnet_in

    return bsrnet_in(open_bsrnet(existing_file(name_or_file))).float()  # whatever torch's default type is


def open_bsrnet(path: Path) -> 'WeightsFile':
    """Reads a file of weights of a BSRNet.

    Raises:
        InputError: The file names another network, is damaged, refused, or holds no weights.
    """
    from bsr_plugin.models.weights import open_weights

    file = open_weights(path)
    kind = file.network.get('type', 'BSRNet')
    if kind != 'BSRNet':
        raise InputError(
            f'{path} holds the weights of {kind}, not of BSRNet, which this is for; bsr upscale and basicsr/test.py '
            'take them.'
        )
    return file


def existing_file(name_or_file: str | os.PathLike[str]) -> Path:
    """The path that :func:`weights_file` gives, of a file that exists.

    Raises:
        InputError: There is no such file, or no weights of this name ship.
    """
    path = weights_file(name_or_file)
    if not path.exists():
        ship = f', or one of the names {", ".join(names())}' if names() else ''
        raise InputError(f'{path} does not exist: give a file of weights{ship}.')
    return path
