"""The functions that ``train_pipeline`` calls, in the order in which it calls them."""

from pathlib import Path
from typing import Any

from basicsr.utils import get_root_logger
from torch.utils.data import DataLoader

from bsr_plugin.errors import InputError
from bsr_plugin.toolbox.opening import (
    Program,
    check_can_be_made,
    check_images,
    check_loggers,
    on_all_ranks,
    use_one_gpu,
)
from bsr_plugin.toolbox.resume import load_resume_state
from bsr_plugin.toolbox.sampler import ResumableSampler

#: Loader and sampler of the training set, loaders of the validation sets, epochs, iterations.
Loaders = tuple[DataLoader[Any], Any, list[DataLoader[Any]], int, int]


class TrainingProgram(Program):
    """A training run; ``load_resume_state``, the last call before ``train_pipeline`` makes folders, opens all it needs.

    The order, and with it every random number, is the toolbox's.
    """

    replaced = ('load_resume_state', 'create_train_val_dataloader', 'build_model')

    def __init__(self, program: Any) -> None:
        super().__init__(program)
        self._create_loaders = program.create_train_val_dataloader
        self._state: dict[str, Any] | None = None

    def load_resume_state(self, opt: dict[str, Any]) -> dict[str, Any] | None:
        """Finds the state to resume from, as the toolbox's function does, and opens the run.

        Raises:
            InputError: Something is missing, damaged or does not fit; nothing has been touched.
        """
        use_one_gpu(opt)
        check_loggers(opt)
        check_can_be_made(Path(opt['path']['experiments_root']))
        self._state = load_resume_state(opt)
        with self.log.held_back():
            self.opened = {'loaders': on_all_ranks(lambda: self._open_loaders(opt))}
            self.open_model(opt)
            _, sampler, *_ = self.opened['loaders']
            weight_samples(sampler, self.opened['model'])
        return self._state

    def create_train_val_dataloader(self, opt: dict[str, Any], logger: Any) -> Loaders:
        """Gives the loaders, with as many epochs as it takes to the last iteration."""
        self.log.pass_on()
        return self.opened.pop('loaders', None) or self._open_loaders(opt)

    def _open_loaders(self, opt: dict[str, Any]) -> Loaders:
        logger = get_root_logger()
        loader, sampler, validation, _, iterations = self._create_loaders(opt, logger)
        changed = sampler.plan(loader.batch_size, iterations, self._state)
        if changed:
            logger.warning(changed)
        for each in validation:
            check_images(each.dataset.opt['name'], each.dataset)
        return loader, sampler, validation, sampler.epochs, iterations


def weight_samples(sampler: ResumableSampler, model: Any) -> None:
    """Has the losses of every epoch decide what importance sampling draws in the next, if the data set does that.

    Raises:
        InputError: The model, or one of its losses, would leave out the weights of the samples.
    """
    importance = getattr(sampler.dataset, 'importance', None)
    if importance is None:
        return
    if not hasattr(model, 'weight_samples'):
        raise InputError(
            f"datasets.train.sampling is 'importance', whose weights {type(model).__name__} does not read: set "
            'model_type to BSRModel, or use another sampling.'
        )
    losses = model.weight_samples(importance.bins)
    sampler.before_epoch = lambda epoch: importance.use(losses.begin_epoch(epoch))
