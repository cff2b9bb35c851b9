"""The pretrained weights of this package: ``bsr_plugin/weights/bsr_*.safetensors``, known by short names."""

import os
from pathlib import Path

from bsr_plugin.errors import InputError

FOLDER = Path(__file__).parents[1] / 'weights'
#: Scale, and the degradation where it is not bicubic.
NAMES = ('x2', 'x3', 'x4', 'x3_blur-down')


def file_of(name: str) -> Path:
    """Where the file of a name is, or would be."""
    return FOLDER / f'bsr_{name}.safetensors'


def names() -> list[str]:
    """The names of the pretrained weights of this installation."""
    return [name for name in NAMES if file_of(name).is_file()]


def weights_file(name_or_file: str | os.PathLike[str]) -> Path:
    """The file that is meant: one that ships if it is one of ``NAMES``, and otherwise the path as it is.

    Raises:
        InputError: It is a name, and no weights of this name ship.
    """
    name = os.fspath(name_or_file)
    if name not in NAMES:
        return Path(name_or_file)
    if not file_of(name).is_file():
        ship = f'those that do are {", ".join(names())}' if names() else 'none do yet'
        raise InputError(f'no weights {name} ship with this version of bsr_plugin ({ship}): give the path of a file')
    return file_of(name)
