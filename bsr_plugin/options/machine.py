"""What an option file asks of this machine: folders, files and GPUs that must be there before a run starts."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from bsr_plugin.data.sources import set_with
from bsr_plugin.data.store import find_parts
from bsr_plugin.errors import InputError
from bsr_plugin.models.engine_options import Options, Problem, at
from bsr_plugin.models.shipped import weights_file
from bsr_plugin.options.datasets import PAIRED, sets_in
from bsr_plugin.schema.wording import line


def missing_on_this_machine(options: Options, is_train: bool) -> list[str]:
    """One line for everything that is not there, as ``wording.line`` writes it.

    A test goes over the sets that are there: a set without any of its folders is a problem only if no set is left
    (see :func:`absent_sets`).
    """
    absent = [] if is_train else absent_sets(options)
    datasets = sets_in(options)
    expected = {key: dataset for key, dataset in datasets.items() if key not in absent} or datasets
    found = [*_folders(expected), *_files(options), *_gpus(options)]
    return [line(path, sentence) for path, sentence in found]


def absent_sets(options: Options) -> list[str]:
    """Keys of the data sets none of whose folders exist."""
    absences = {key: [_absence(dataset, root) for root in _roots(dataset)] for key, dataset in sets_in(options).items()}
    return [key for key, found in absences.items() if found and all(found)]


def expanded(path: str | Path) -> Path:
    """A path with ``~`` and ``~user`` as shells read them: an unknown user stays as it is."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path's own raises


def left_out(dataset: Options) -> str:
    """Says that a test goes without a set whose folders do not exist."""
    folder = dataset.get('dataroot_gt') or dataset.get('dataroot_lq')
    return f'Skipping {dataset["name"]}: folder {folder} does not exist.'


def _folders(datasets: Mapping[str, Options]) -> Iterator[Problem]:
    for key, dataset in datasets.items():
        for root in _roots(dataset):
            if absence := _absence(dataset, root):
                yield ('datasets', key, root), absence


def _roots(dataset: Options) -> list[str]:
    return [root for root in ('dataroot_gt', 'dataroot_lq') if isinstance(dataset.get(root), str)]


def _absence(dataset: Options, root: str) -> str:
    """What is wrong with a folder, or with a store that is in parts; nothing where all is there."""
    folder = dataset[root]
    try:
        if expanded(folder).is_dir() or find_parts(expanded(folder)):
            return ''
    except InputError as error:
        return str(error)
    remedy = 'correct the path'
    if (name := set_with(Path(folder))) is not None:
        remedy = f'`bsr download {name}` brings it'
    elif dataset.get('type') in PAIRED and (root == 'dataroot_lq' or folder.endswith('.lmdb')):
        # Videos, and the HR images themselves, come from somewhere else.
        remedy = '`bsr prepare` makes it from HR images'
    return f'there is no folder {folder}; {remedy}'


def _files(options: Options) -> Iterator[Problem]:
    for key in ('pretrain_network_g', 'resume_state'):
        path = at(options, 'path', key)
        if not isinstance(path, str):
            continue
        try:
            file = weights_file(path) if key == 'pretrain_network_g' else Path(path)
        except InputError as error:
            yield ('path', key), str(error)
            continue
        if not expanded(file).is_file():
            yield ('path', key), f'there is no file {path}'


def _gpus(options: Options) -> Iterator[Problem]:
    wanted = options.get('num_gpu')
    if isinstance(wanted, int) and not isinstance(wanted, bool) and wanted > 0:
        import torch

        there = torch.cuda.device_count()
        if wanted > there:
            found = f'{there or "no"} GPU{"s" if there > 1 else ""}'
            yield ('num_gpu',), f'{wanted}, but torch finds {found} here; use auto, or 0 for the CPU'
