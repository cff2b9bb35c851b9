"""What a run needs is opened, and its workers outlive signals, before a folder is touched."""

import os
import signal

import basicsr.data
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

import basicsr.train
from bsr_plugin.errors import InputError
from bsr_plugin.toolbox import opening
from bsr_plugin.toolbox.prefetch import CPUPrefetcher
from bsr_plugin.toolbox.training_program import IgnoringStopSignals


class Signals(Dataset):
    """Item i is the process that reads it and the signals that it ignores."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return torch.tensor([os.getpid(), signal.getsignal(signal.SIGINT) is signal.SIG_IGN])


def test_the_workers_of_a_training_set_are_started_with_signals_blocked_and_ignore_them():
    opt = {'phase': 'train', 'num_worker_per_gpu': 1, 'batch_size_per_gpu': 1}
    loader = basicsr.train.build_dataloader(Signals(), opt, num_gpu=0, seed=3)
    assert isinstance(loader.worker_init_fn, IgnoringStopSignals)
    assert loader.worker_init_fn.stock.func is basicsr.data.worker_init_fn
    assert loader.worker_init_fn.stock.keywords == {'num_workers': 1, 'rank': 0, 'seed': 3}
    ((process, ignores), _) = [row for batch in loader for row in batch.tolist()]
    assert process != os.getpid()
    assert ignores
    validation = basicsr.train.build_dataloader(Signals(), {'phase': 'val'})
    assert validation.worker_init_fn is None


def test_an_epoch_begins_with_signals_blocked():
    seen = []

    class Loader(DataLoader):
        def __iter__(self):
            seen.append(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
            return super().__iter__()

    CPUPrefetcher(Loader(Signals())).reset()
    assert {signal.SIGINT, signal.SIGTERM} <= seen[0]
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.mark.parametrize(('gpus', 'dist', 'used'), [(0, False, 0), (1, False, 1), (4, False, 1), (4, True, 4)])
def test_without_a_launcher_a_process_uses_one_gpu_and_says_how_to_use_all(capsys, gpus, dist, used):
    opt = {'num_gpu': gpus, 'dist': dist, 'is_train': True}
    opening.use_one_gpu(opt)
    assert opt['num_gpu'] == used
    said = capsys.readouterr().out
    assert ('torchrun --nproc_per_node=4 basicsr/train.py -opt FILE --launcher pytorch' in said) == (gpus != used)


def logged_with(**changes):
    return {'name': 'run', 'logger': {'use_tb_logger': False, 'wandb': {'project': None}, **changes}}


def test_a_logger_that_is_not_installed_is_named(monkeypatch):
    opening.check_loggers(logged_with())
    monkeypatch.setattr(opening.importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(InputError, match='project is sr, but wandb is not installed: pip install wandb'):
        opening.check_loggers(logged_with(wandb={'project': 'sr'}))
    with pytest.raises(InputError, match='TensorBoard is not installed'):
        opening.check_loggers(logged_with(use_tb_logger=True))
    opening.check_loggers({**logged_with(use_tb_logger=True), 'name': 'debug_run'})


def test_a_folder_below_a_file_cannot_be_made(tmp_path):
    (tmp_path / 'file').touch()
    opening.check_can_be_made(tmp_path / 'a/b/c')
    for folder in (tmp_path / 'file/run', tmp_path / 'file/experiments/run'):
        with pytest.raises(InputError, match=r'cannot be made: .*file is not a folder'):
            opening.check_can_be_made(folder)
    assert [path.name for path in tmp_path.iterdir()] == ['file']
