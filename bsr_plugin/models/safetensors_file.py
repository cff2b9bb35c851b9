"""safetensors files: tensors by name, and a header of strings that says what they are.

A digest in the header covers the tensors, of which the format itself has none.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from bsr_plugin.atomic import write_bytes
from bsr_plugin.errors import InputError

SUFFIX = '.safetensors'
_DIGEST = 'sha256'


def encode(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """The content of a file."""
    contiguous = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    header = {'format': 'pt', **metadata, _DIGEST: _digest(contiguous)}
    return safetensors.torch.save(contiguous, header)


def write(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Writes a file, whole or not at all.

    Raises:
        OSError: It cannot be written.
    """
    write_bytes(path, encode(tensors, metadata))


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Reads tensors and metadata to the CPU; nothing in such a file is code.

    Raises:
        InputError: The file is missing, cannot be read, or is damaged.
    """
    try:
        with safe_open(path, framework='pt') as file:
            metadata = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except FileNotFoundError:
        raise InputError(f'{path} does not exist') from None
    except (OSError, SafetensorError) as error:
        raise InputError(f'{path} is damaged or not a safetensors file ({error})') from error
    if metadata.get(_DIGEST, '') not in ('', _digest(tensors)):
        raise InputError(f'{path} is damaged: its tensors do not match their digest')
    return tensors, metadata


def decoded(text: str) -> Any:
    """The value of a string of a header: what it is in JSON, or the words themselves."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        digest.update(f'{name} {value.dtype} {list(value.shape)}\n'.encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
