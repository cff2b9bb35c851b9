"""The functions that ``train_pipeline`` calls, in the order in which it calls them."""

from pathlib import Path
from typing import Any, cast

from basicsr.utils import get_root_logger
from basicsr.utils.dist_util import get_dist_info
from torch.utils.data import DataLoader

from bsr_plugin.errors import InputError
from bsr_plugin.models.resume import missing_validations
from bsr_plugin.toolbox.opening import (
    Program,
    check_can_be_made,
    check_images,
    check_loggers,
    check_option_file,
    on_all_ranks,
    use_one_gpu,
)
from bsr_plugin.toolbox.resume import load_resume_state
from bsr_plugin.toolbox.run_lock import check_not_in_use, hold
from bsr_plugin.toolbox.sampler import ResumableSampler

#: Loader and sampler of the training set, loaders of the validation sets, epochs, iterations.
Loaders = tuple[DataLoader[Any], Any, list[DataLoader[Any]], int, int]


class TrainingProgram(Program):
    """A training run; ``load_resume_state``, the last call before ``train_pipeline`` makes folders, opens all it needs.

    The order, and with it every random number, is the toolbox's.
    """

    replaced = ('load_resume_state', 'copy_opt_file', 'create_train_val_dataloader', 'build_model', 'MessageLogger')

    def __init__(self, program: Any) -> None:
        super().__init__(program)
        self._copy_opt_file = program.copy_opt_file
        self._create_loaders = program.create_train_val_dataloader
        self._message_logger = program.MessageLogger
        self._state: dict[str, Any] | None = None
        self._validation: list[DataLoader[Any]] = []
        self._model: Any = None

    def load_resume_state(self, opt: dict[str, Any]) -> dict[str, Any] | None:
        """Finds the state to resume from, as the toolbox's function does, and opens the run.

        Raises:
            InputError: Something is missing, damaged or does not fit; nothing has been touched.
        """
        use_one_gpu(opt)
        check_loggers(opt)
        folder = Path(opt['path']['experiments_root'])
        check_can_be_made(folder)
        on_all_ranks(lambda: check_not_in_use(folder) if get_dist_info()[0] == 0 else None)
        self._state = load_resume_state(opt)
        if self._state is None:
            check_option_file(folder, opt['auto_resume'])
        with self.log.held_back():
            self.opened = {'loaders': on_all_ranks(lambda: self._open_loaders(opt))}
            self.open_model(opt)
            _, sampler, *_ = self.opened['loaders']
            weight_samples(sampler, self.opened['model'])
        return self._state

    def copy_opt_file(self, opt_file: str, experiments_root: str) -> None:
        """Copies the option file into the folder of the run, as the toolbox does, unless it is the copy there.

        Raises:
            InputError: Another training has begun in that folder meanwhile.
        """
        on_all_ranks(lambda: hold(Path(experiments_root)) if get_dist_info()[0] == 0 else None)
        if Path(opt_file).resolve() != Path(experiments_root, Path(opt_file).name).resolve():
            self._copy_opt_file(opt_file, experiments_root)

    def create_train_val_dataloader(self, opt: dict[str, Any], logger: Any) -> Loaders:
        """Gives the loaders, with as many epochs as it takes to the last iteration."""
        self.log.pass_on()
        loaders: Loaders = self.opened.pop('loaders', None) or self._open_loaders(opt)
        self._validation = loaders[2]
        return loaders

    def build_model(self, opt: dict[str, Any]) -> Any:
        """Gives the model."""
        self._model = super().build_model(opt)
        return self._model

    def MessageLogger(self, opt: dict[str, Any], start_iter: int = 1, tb_logger: Any = None) -> Any:  # noqa: N802
        """Gives the toolbox's logger, after the validations that the run before did not come to the end of.

        ``train_pipeline`` asks for it once the model has been resumed and before the first iteration.
        """
        missing = missing_validations(opt, self._state) if self._state else []
        if missing:
            names = ', '.join(missing)
            get_root_logger().info(f'Validation of iteration {start_iter} was not finished: repeated for {names}.')
        for loader in self._validation:
            if _name(loader) in missing:
                self._model.validation(loader, start_iter, tb_logger, opt['val']['save_img'])
        self._validation, self._model = [], None
        return self._message_logger(opt, start_iter, tb_logger)

    def _open_loaders(self, opt: dict[str, Any]) -> Loaders:
        logger = get_root_logger()
        loader, sampler, validation, _, iterations = self._create_loaders(opt, logger)
        changed = sampler.plan(loader.batch_size, iterations, self._state)
        if changed:
            logger.warning(changed)
        for each in validation:
            check_images(_name(each), each.dataset)
        return loader, sampler, validation, sampler.epochs, iterations


def _name(loader: DataLoader[Any]) -> str:
    """The name of its data set."""
    return str(cast(Any, loader.dataset).opt['name'])


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
