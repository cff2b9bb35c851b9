"""Opened before it is touched: what a run needs is opened before a folder is made, renamed or archived."""

import argparse
import importlib.util
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from logging.handlers import BufferingHandler
from pathlib import Path
from typing import Any, TypeVar

from basicsr.utils.logger import initialized_logger

from bsr_plugin.errors import InputError
from bsr_plugin.models import safetensors_file
from bsr_plugin.models.ranks import ranks
from bsr_plugin.models.weights import check_weights

Opened = TypeVar('Opened')

_LOGGER = 'basicsr'


class EarlyLog(BufferingHandler):
    """The toolbox's log before its file is open.

    Whoever asks for the toolbox's logger before that would leave the run without a log file.
    """

    def __init__(self) -> None:
        super().__init__(capacity=sys.maxsize)

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """Keeps what is logged inside the block, unless the log file is open."""
        self.buffer.clear()
        if _LOGGER in initialized_logger:
            yield
            return
        logger = logging.getLogger(_LOGGER)
        level, propagate = logger.level, logger.propagate
        initialized_logger[_LOGGER] = True
        logger.setLevel(logging.INFO)
        logger.propagate = False
        logger.addHandler(self)
        try:
            yield
        finally:
            logger.removeHandler(self)
            logger.propagate = propagate
            logger.setLevel(level)
            del initialized_logger[_LOGGER]

    def pass_on(self) -> None:
        """Logs what was kept."""
        logger = logging.getLogger(_LOGGER)
        for record in self.buffer:
            if logger.isEnabledFor(record.levelno):
                logger.handle(record)
        self.buffer.clear()


class Program:
    """The functions that a pipeline of the toolbox calls by name, so that all it needs is opened by the first of them.

    Args:
        program: The module that holds the pipeline.

    Attributes:
        replaced: The names in ``program`` that methods of this object take the place of.
        log: Keeps what is logged meanwhile.
        opened: What has been opened and not been asked for yet.
    """

    replaced: tuple[str, ...]

    def __init__(self, program: Any) -> None:
        self._build_model = program.build_model
        self.log = EarlyLog()
        self.opened: dict[Any, Any] = {}

    def open_model(self, opt: dict[str, Any]) -> None:
        """Builds the model, once it is sure on all ranks that its weights are there."""
        on_all_ranks(lambda: check_networks(opt))
        self.opened['model'] = self._build_model(opt)

    def build_model(self, opt: dict[str, Any]) -> Any:
        """Gives the model."""
        return self.opened.pop('model', None) or self._build_model(opt)


def on_all_ranks(open_it: Callable[[], Opened]) -> Opened:
    """Opens something on every rank, or fails on every rank.

    Raises:
        InputError: Opening raised it here, or on another rank.
    """
    failure, opened = '', None
    try:
        opened = open_it()
    except InputError as error:
        failure = str(error)
    for rank, sentence in enumerate(ranks().all_gather(failure)):
        if sentence:
            raise InputError(failure or f'rank {rank}: {sentence}')
    return opened  # type: ignore[return-value]


def use_one_gpu(opt: dict[str, Any]) -> None:
    """Sets ``num_gpu`` to 1 without a launcher, and says how to use all GPUs.

    The toolbox would take ``DataParallel``: it multiplies the batch by the GPUs and counts its iterations as if for
    one, forgets the type of mixed precision in its threads, and is slower than a process for each GPU.
    """
    gpus = opt['num_gpu']
    if opt['dist'] or gpus <= 1:
        return
    opt['num_gpu'] = 1
    program = 'train' if opt['is_train'] else 'test'
    print(
        f'Using 1 of {gpus} GPUs. To use all: torchrun --nproc_per_node={gpus} basicsr/{program}.py -opt FILE '
        '--launcher pytorch',
        flush=True,
    )


def check_loggers(opt: Mapping[str, Any]) -> None:
    """Raises ``InputError`` if what the run is logged with is not installed."""
    log = opt['logger']
    if 'debug' in opt['name']:
        return
    if (log.get('wandb') or {}).get('project') and importlib.util.find_spec('wandb') is None:
        raise InputError(
            f'logger.wandb.project is {log["wandb"]["project"]}, but wandb is not installed: pip install wandb, or set '
            'project to ~.'
        )
    if log.get('use_tb_logger') and importlib.util.find_spec('tensorboard') is None:
        raise InputError('logger.use_tb_logger is true, but TensorBoard is not installed: pip install tensorboard.')


def check_can_be_made(folder: Path) -> None:
    """Raises ``InputError`` if a folder cannot be made, or renamed and made again."""
    above = next(each for each in folder.absolute().parents if each.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise InputError(f'{folder} cannot be made: {above} is not a folder that can be written to.')


def check_option_file(folder: Path, auto_resume: bool) -> None:
    """Raises ``InputError`` if the option file of the command line lies in a folder that will be renamed."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument('-opt', type=Path)
    given = parser.parse_known_args()[0].opt
    if given is not None and folder.resolve() in given.resolve().parents:
        instead = '' if auto_resume else ', or use --auto_resume'
        raise InputError(f'{given} lies in the folder that the new run would rename: copy it elsewhere{instead}.')


def check_networks(opt: Mapping[str, Any]) -> None:
    """Raises ``InputError`` if a network does not fit the weights it begins with; BSRModel looks at them itself."""
    paths = opt['path']
    for section in [key for key in opt if key.startswith('network_')]:
        label = section.removeprefix('network_')
        weights = paths.get(f'pretrain_network_{label}')
        if weights is not None and opt['model_type'] != 'BSRModel':
            if Path(weights).suffix == safetensors_file.SUFFIX:
                raise InputError(
                    f'path.pretrain_network_{label} is {weights}, which {opt["model_type"]} cannot read: use '
                    'model_type: BSRModel for safetensors files.'
                )
            key, strict = paths.get(f'param_key_{label}', 'params'), paths.get(f'strict_load_{label}', True)
            check_weights(Path(weights), key, opt[section], strict)


def check_images(name: str, dataset: Any) -> None:
    """Raises ``InputError`` if a set to be measured has no images."""
    if not len(dataset):
        raise InputError(f'The data set {name} has no image: correct its dataroot_gt or dataroot_lq.')
