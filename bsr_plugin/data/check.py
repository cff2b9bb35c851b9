"""``bsr prepare --check``: is a store still what was written?"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bsr_plugin.data.lmdb_reader import DATA_FILE
from bsr_plugin.data.memory import drop_pages
from bsr_plugin.data.meta_info import META_FILE, RAW, MetaEntry, digest_of, key_for, read_meta
from bsr_plugin.data.store import LMDBStore, find_parts
from bsr_plugin.data.store_description import STORE_FILE, read_description
from bsr_plugin.errors import InputError
from bsr_plugin.parallel import ordered_map
from bsr_plugin.pic.index_file import IndexFileError, check_arrays
from bsr_plugin.progress import progress

_AGAIN = 'remove the store and run bsr prepare again.'


def check_stores(paths: Sequence[Path]) -> int:
    """Compares all that stores consist of with digests that were taken when it was written.

    Covers every image, the sizes in the listing, the listing itself, ``store.json``, and every byte of the PIC indexes
    in the store. Returns the number of images of each store.

    Args:
        paths: LMDBs or PNG folders that ``bsr prepare`` made, or the common name of their parts, of the same images.

    Raises:
        InputError: A store is missing, has no digests, or is damaged, or they hold different images; the message
            names the first damaged part.
    """
    names = [_check(path) for path in paths]
    for path, others in zip(paths, names, strict=True):
        if others != names[0]:
            raise InputError(f'{paths[0]} and {path} hold different images: remove both and run bsr prepare again.')
    return len(names[0])


def _check(path: Path) -> list[str]:
    if not path.exists():
        parts = find_parts(path)
        if not parts:
            raise InputError(f'{path} does not exist: make it with bsr prepare, or correct the path.')
        return [name for part in parts for name in _check(part)]
    is_lmdb = (path / DATA_FILE).exists()
    hidden = '' if is_lmdb else '.'
    entries = _check_listing(path, hidden)
    damaged = _damaged_values(path, entries) if is_lmdb else _damaged_files(path, entries)
    if damaged:
        raise InputError(
            f'{path} is damaged: {damaged[0]} is missing or does not match its digest ({len(damaged)} of '
            f'{len(entries)} images); {_AGAIN}'
        )
    try:
        for index in sorted(path.glob('*.idx')):
            check_arrays(index)
    except IndexFileError as error:
        raise InputError(f'{str(error).rstrip(".")}: remove it, and bsr pic or training builds it again.') from error
    return [entry.key for entry in entries]


def _check_listing(path: Path, hidden: str) -> list[MetaEntry]:
    meta, description = path / f'{hidden}{META_FILE}', path / f'{hidden}{STORE_FILE}'
    if not meta.is_file() or not description.is_file():
        raise InputError(f'{path} has no digests, so it cannot be checked: it was not made by bsr prepare.')
    if digest_of(meta.read_bytes()) != read_description(description).listing:
        raise InputError(f'{path} is damaged: {meta.name} does not match its digest; {_AGAIN}')
    return read_meta(meta)


def _damaged_values(path: Path, entries: Sequence[MetaEntry]) -> list[str]:
    store = LMDBStore(path)

    def is_damaged(position: int) -> bool:
        entry, value = entries[position], store.value(position)
        wrong = entry.level == RAW and len(value) != np.prod(entry.shape)
        wrong = wrong or digest_of(value) != entry.digest
        drop_pages(np.frombuffer(value, np.uint8))
        return wrong

    positions = progress(range(len(entries)), label=f'Checking {path.name}', unit='image')
    return [store.names[at] for at, damaged in enumerate(ordered_map(is_damaged, positions)) if damaged]


def _damaged_files(path: Path, entries: Sequence[MetaEntry]) -> list[str]:
    files = {key_for(file.stem): file for file in path.glob('*.png')}
    expected = {entry.key: entry.digest for entry in entries}
    present = progress(sorted(files.keys() & expected), label=f'Checking {path.name}', unit='image')
    damaged = [key for key in present if digest_of(files[key].read_bytes()) != expected[key]]
    return sorted([*damaged, *(files.keys() ^ expected)])
