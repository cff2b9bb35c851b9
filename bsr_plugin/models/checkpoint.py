"""Checkpoint files: written whole or not at all, read without running code, thinned out."""

import hashlib
import io
import logging
import pickle
import re
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from bsr_plugin.atomic import write_bytes
from bsr_plugin.errors import InputError
from bsr_plugin.models.failures import SaveError

_WEIGHTS = re.compile(r'net_.+_(\d+)\.pth')
_STATE = re.compile(r'(\d+)\.state')
#: What a damaged file has been seen to raise, in PyTorch's reader of archives or in that of the form before.
_DAMAGE = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    struct.error,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
)
#: How PyTorch names an object that it does not load.
_REFUSED = re.compile(r'GLOBAL ([\w.]*\w)')


def write(path: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    """Saves tensors, numbers, strings and containers of them; ``path`` is either as before or complete and on the disk.

    Returns:
        ``{'size': bytes, 'sha256': hexadecimal digest}`` of the file.

    Raises:
        SaveError: The file could not be written, for instance because the disk is full.
    """
    # Through memory: the errors of the disk then arrive as what they are, not as torch.save's "unexpected pos".
    buffer = io.BytesIO()
    torch.save(dict(content), buffer)
    data = buffer.getbuffer()
    try:
        write_bytes(path, data)
    except OSError as error:
        raise SaveError(
            f'{path} could not be saved: {error.strerror or error}; checkpoints saved before are untouched'
        ) from error
    return {'size': len(data), 'sha256': hashlib.sha256(data).hexdigest()}


def read(path: Path) -> Any:
    """Loads a checkpoint to the CPU without running any code that it may hold.

    Raises:
        InputError: The file is missing, damaged, or holds Python objects other than tensors and plain containers.
    """
    try:
        # PyTorch writes checksums into its archives, but does not look at them.
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if wrong := archive.testzip():
                    raise InputError(f'{path} is damaged: wrong checksum of {wrong}')
        return torch.load(path, map_location='cpu', weights_only=True)
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f'{path} does not exist') from None
    except (PermissionError, IsADirectoryError) as error:
        raise InputError(f'{path} cannot be read: {error.strerror}') from error
    except _DAMAGE as error:
        # PyTorch's own text is not quoted: it explains how to run the file's code after all.
        found = _REFUSED.search(str(error))
        if found is None and not (isinstance(error, pickle.UnpicklingError) and zipfile.is_zipfile(path)):
            raise InputError(f'{path} is damaged or not a checkpoint') from error
        raise InputError(
            f'{path} is refused: it holds {found[1] if found else "Python objects"}, which could run code when loaded; '
            'use a file of tensors and plain containers only'
        ) from error


def check_file(path: Path, expected: Mapping[str, Any]) -> None:
    """Raises ``InputError`` if a file is not what ``write`` returned for it."""
    if not path.is_file():
        raise InputError(f'{path} does not exist')
    if path.stat().st_size != expected['size']:
        raise InputError(f'{path} has {path.stat().st_size} bytes instead of {expected["size"]}')
    if hashlib.sha256(path.read_bytes()).hexdigest() != expected['sha256']:
        raise InputError(f'{path} is damaged or of another run: its digest is not the one in the training state')


def states_in(folder: Path) -> dict[int, Path]:
    """The training states in a folder by iteration, newest first."""
    return dict(sorted(_numbered(folder, _STATE), reverse=True))


def prune(models: Path, states: Path, keep: int, newest: int) -> None:
    """Deletes all but the ``keep`` newest pairs of weights and state up to iteration ``newest``.

    Later iterations are left alone: they are there only after a run went back to an older state, and nobody else
    knows whether they are still of use. ``net_g_best.pth`` and ``net_g_latest.pth`` have no iteration and stay.

    Raises:
        SaveError: A file could not be deleted.
    """
    kept = [iteration for iteration in states_in(states) if iteration <= newest][:keep]
    # States first: weights without a state are harmless, a state without weights is not.
    numbered = [*_numbered(states, _STATE), *_numbered(models, _WEIGHTS)]
    try:
        for iteration, path in numbered:
            if iteration <= newest and iteration not in kept:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise SaveError(f'{path} could not be deleted: {error.strerror or error}') from error


def _numbered(folder: Path, pattern: re.Pattern[str]) -> list[tuple[int, Path]]:
    matches = ((pattern.fullmatch(path.name), path) for path in folder.iterdir())
    return [(int(match[1]), path) for match, path in matches if match]


def record_of_best(path: Path, key: str) -> Mapping[str, Any] | None:
    """What the file of the best weights says of them in an entry; ``None`` without a file that can be read."""
    if not path.is_file():
        return None
    try:
        content = read(path)
    except InputError as error:
        logging.getLogger('basicsr').warning('%s: the next best weights take its place.', error)
        return None
    record = content.get(key) if isinstance(content, Mapping) else None
    return record if isinstance(record, Mapping) and {'metric', 'dataset', 'val', 'iter'} <= {*record} else None
