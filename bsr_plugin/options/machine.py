"""What an option file asks of this machine: folders, files and GPUs that must be there before a run starts."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bsr_plugin.data.store import find_parts
from bsr_plugin.errors import InputError
from bsr_plugin.options.wording import line

Options = Mapping[str, Any]
Problem = tuple[tuple[str | int, ...], str]

_ROOTS = ('dataroot_gt', 'dataroot_lq')
_FILES = ('pretrain_network_g', 'resume_state')


def missing_on_this_machine(options: Options, is_train: bool) -> list[str]:
    """One line for everything that is not there, as ``section.line`` writes it.

    A test goes over the sets that are there: a set without any of its folders is a problem only if no set is left
    (see :func:`absent_sets`).
    """
    absent = [] if is_train else absent_sets(options)
    if len(absent) == len(_datasets(options)):
        absent = []
    found = [*_folders(options, skip=absent), *_files(options), *_gpus(options)]
    return [line(path, sentence) for path, sentence in found]


def absent_sets(options: Options) -> list[str]:
    """Keys of the data sets none of whose folders exist."""
    folders = {key: _roots(dataset).values() for key, dataset in _datasets(options).items()}
    return [key for key, roots in folders.items() if roots and all(_absence(folder, '') for folder in roots)]


def _folders(options: Options, skip: list[str]) -> Iterator[Problem]:
    for key, dataset in _datasets(options).items():
        if key in skip:
            continue
        for root, folder in _roots(dataset).items():
            if absence := _absence(folder, _remedy(dataset.get('type'), root, folder)):
                yield ('datasets', key, root), absence


def _remedy(kind: Any, root: str, folder: str) -> str:
    """Where a folder comes from; videos, and the HR images themselves, come from somewhere else."""
    if kind == 'SRBenchmarkDataset':
        return '`bsr download` brings it'
    if kind in ('RFSPairedImageDataset', 'PairedImageDataset') and (root == 'dataroot_lq' or folder.endswith('.lmdb')):
        return '`bsr prepare` makes it from HR images'
    return 'correct the path'


def _files(options: Options) -> Iterator[Problem]:
    paths = options.get('path')
    for key in _FILES:
        path = paths.get(key) if isinstance(paths, dict) else None
        if isinstance(path, str) and not Path(path).expanduser().is_file():
            yield ('path', key), f'there is no file {path}'


def _gpus(options: Options) -> Iterator[Problem]:
    wanted = options.get('num_gpu')
    if isinstance(wanted, int) and not isinstance(wanted, bool) and wanted > 0:
        import torch

        there = torch.cuda.device_count()
        if wanted > there:
            found = f'{there or "no"} GPU{"s" if there > 1 else ""}'
            yield ('num_gpu',), f'{wanted}, but torch finds {found} here; use auto, or 0 for the CPU'


def _datasets(options: Options) -> dict[str, Options]:
    datasets = options.get('datasets')
    return (
        {key: value for key, value in datasets.items() if isinstance(value, dict)} if isinstance(datasets, dict) else {}
    )


def _roots(dataset: Options) -> dict[str, str]:
    return {root: dataset[root] for root in _ROOTS if isinstance(dataset.get(root), str)}


def _absence(folder: str, hint: str) -> str:
    """What is wrong with a folder, or with a store that is in parts; nothing where all is there."""
    path = Path(folder).expanduser()
    try:
        there = path.is_dir() or find_parts(path)
    except InputError as error:
        return str(error)
    return '' if there else f'there is no folder {folder}; {hint}'
