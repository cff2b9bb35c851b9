"""``bsr prepare --check``: is a store still what was written?"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bsr_plugin.data.memory import let_go
from bsr_plugin.data.meta_info import META_FILE, digest_of, key_for, parse_meta
from bsr_plugin.data.store import LMDBStore, find_parts
from bsr_plugin.errors import InputError
from bsr_plugin.parallel import ordered_map
from bsr_plugin.progress import progress


def check_stores(paths: Sequence[Path]) -> int:
    """Compares every stored value with the digest that was taken when it was written.

    Args:
        paths: LMDBs or PNG folders that ``bsr prepare`` made, or the common name of their parts.

    Returns:
        Images checked per store.

    Raises:
        InputError: A store is missing, has no digests, or is damaged; the message names the first damaged image.
    """
    return min(_check(path) for path in paths)


def _check(path: Path) -> int:
    if not path.exists():
        parts = find_parts(path)
        if not parts:
            raise InputError(f'{path} does not exist: make it with bsr prepare, or correct the path.')
        return sum(_check(part) for part in parts)
    return _check_lmdb(path) if (path / 'data.mdb').exists() else _check_files(path)


def _check_lmdb(path: Path) -> int:
    store = LMDBStore(path)
    damaged = []
    places = progress(range(len(store.names)), label=f'Checking {path.name}', unit='image')
    digests = ordered_map(lambda place: _digest_once(store.value(place)), places)
    for name, entry, digest in zip(store.names, store.entries, digests, strict=True):
        if entry.digest is None:
            raise InputError(f'{path} has no digests, so it cannot be checked: it was not made by bsr prepare.')
        if entry.digest != digest:
            damaged.append(name)
    return _verdict(path, damaged, len(store.names))


def _digest_once(value: bytes | memoryview) -> str:
    digest = digest_of(value)
    if isinstance(value, memoryview):
        let_go(np.frombuffer(value, np.uint8))
    return digest


def _check_files(path: Path) -> int:
    meta = path / f'.{META_FILE}'
    if not meta.is_file():
        raise InputError(f'{path} has no digests, so it cannot be checked: it was not made by bsr prepare.')
    expected = {entry.key: entry.digest for entry in parse_meta(meta.read_text(encoding='utf-8'), meta)}
    files = {key_for(file.stem): file for file in path.glob('*.png')}
    damaged = [key for key in expected if key not in files]
    present = progress(sorted(set(expected) & set(files)), label=f'Checking {path.name}', unit='image')
    damaged += [key for key in present if digest_of(files[key].read_bytes()) != expected[key]]
    return _verdict(path, damaged, len(expected))


def _verdict(path: Path, damaged: list[str], images: int) -> int:
    if damaged:
        raise InputError(
            f'{path} is damaged: {damaged[0]} is missing or not what was written ({len(damaged)} of {images} images); '
            'remove the store and run bsr prepare again.'
        )
    return images
