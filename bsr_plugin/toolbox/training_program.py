"""The functions that ``train_pipeline`` calls, in the order in which it calls them."""

from pathlib import Path
from typing import Any

from basicsr.utils import get_root_logger
from torch.utils.data import DataLoader

from bsr_plugin.toolbox.opening import (
    HeldBackLog,
    check_can_be_made,
    check_images,
    check_loggers,
    check_networks,
    on_all_ranks,
    use_one_gpu,
)
from bsr_plugin.toolbox.resume import load_resume_state

#: Loader and sampler of the training set, loaders of the validation sets, epochs, iterations.
Loaders = tuple[DataLoader[Any], Any, list[DataLoader[Any]], int, int]


class TrainingProgram:
    """Opens the data sets, the loaders and the model of a run before the run before it is archived.

    ``load_resume_state`` is the last call of ``train_pipeline`` before it makes folders. It opens everything, and what
    ``train_pipeline`` asks for later has been opened then. The order, and with it every random number, is the
    toolbox's.

    Args:
        program: The module that holds ``train_pipeline``.
    """

    def __init__(self, program: Any) -> None:
        self._create_loaders = program.create_train_val_dataloader
        self._build_model = program.build_model
        self._log = HeldBackLog()
        self._state: dict[str, Any] | None = None
        self._loaders: Loaders | None = None
        self._model: Any = None

    def load_resume_state(self, opt: dict[str, Any]) -> dict[str, Any] | None:
        """Finds the state to go on from, as the toolbox's function does, and opens the run.

        Raises:
            InputError: Something is missing, damaged or does not fit; nothing has been touched.
        """
        self._loaders = self._model = None
        use_one_gpu(opt)
        check_loggers(opt)
        check_can_be_made(Path(opt['path']['experiments_root']))
        self._state = load_resume_state(opt)
        with self._log:
            self._loaders = on_all_ranks(lambda: self._open_loaders(opt))
            on_all_ranks(lambda: check_networks(opt))
            self._model = self._build_model(opt)
        return self._state

    def create_train_val_dataloader(self, opt: dict[str, Any], logger: Any) -> Loaders:
        """Gives the loaders, with as many epochs as it takes to the last iteration."""
        self._log.pass_on()
        loaders, self._loaders = self._loaders, None
        return self._open_loaders(opt) if loaders is None else loaders

    def build_model(self, opt: dict[str, Any]) -> Any:
        """Gives the model."""
        model, self._model = self._model, None
        return self._build_model(opt) if model is None else model

    def _open_loaders(self, opt: dict[str, Any]) -> Loaders:
        logger = get_root_logger()
        loader, sampler, validation, _, iterations = self._create_loaders(opt, logger)
        changed = sampler.plan(loader.batch_size, iterations, self._state)
        if changed:
            logger.warning(changed)
        for each in validation:
            check_images(each.dataset.opt['name'], each.dataset)
        return loader, sampler, validation, sampler.epochs, iterations
