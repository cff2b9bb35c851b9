"""The functions that ``test_pipeline`` calls, in the order in which it calls them."""

from pathlib import Path
from typing import Any

from bsr_plugin.evaluation.recorder import Recorder
from bsr_plugin.toolbox.opening import (
    HeldBackLog,
    check_can_be_made,
    check_images,
    check_networks,
    on_all_ranks,
    use_one_gpu,
)


class EvaluationProgram:
    """Opens the data sets and the model of a test before the results before it are archived.

    ``make_exp_dirs`` is the first call of ``test_pipeline`` once it has read the options. It opens everything, and what
    ``test_pipeline`` asks for later has been opened then.

    Args:
        program: The module that holds ``test_pipeline``.

    Attributes:
        open_dataset: Builds a data set.
        recorder: Records what the test measures; ``None`` leaves that to the toolbox's log.
    """

    def __init__(self, program: Any) -> None:
        self._make_exp_dirs = program.make_exp_dirs
        self.open_dataset = program.build_dataset
        self.recorder: Recorder | None = None
        self._build_model = program.build_model
        self._log = HeldBackLog()
        self._datasets: dict[int, Any] = {}
        self._model: Any = None

    def make_exp_dirs(self, opt: dict[str, Any]) -> None:
        """Opens the test, then makes its folders as the toolbox does.

        Raises:
            InputError: Something is missing, damaged or does not fit; nothing has been touched.
        """
        use_one_gpu(opt)
        check_can_be_made(Path(opt['path']['results_root']))
        with self._log:
            self._datasets = on_all_ranks(lambda: self._open(opt))
            on_all_ranks(lambda: check_networks(opt))
            self._model = self._build_model(opt)
            if self.recorder is not None:
                self.recorder.follow(self._model)
        self._make_exp_dirs(opt)

    def build_dataset(self, dataset_opt: dict[str, Any]) -> Any:
        """Gives a data set."""
        self._log.pass_on()
        dataset = self._datasets.pop(id(dataset_opt), None)
        return self.open_dataset(dataset_opt) if dataset is None else dataset

    def build_model(self, opt: dict[str, Any]) -> Any:
        """Gives the model."""
        model, self._model = self._model, None
        return self._build_model(opt) if model is None else model

    def _open(self, opt: dict[str, Any]) -> dict[int, Any]:
        datasets = {id(each): self.open_dataset(each) for _, each in sorted(opt['datasets'].items())}
        for each in opt['datasets'].values():
            check_images(each['name'], datasets[id(each)])
        return datasets
