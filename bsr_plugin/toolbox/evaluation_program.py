"""The functions that ``test_pipeline`` calls, in the order in which it calls them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bsr_plugin.toolbox.opening import Program, check_can_be_made, check_images, on_all_ranks, use_one_gpu

if TYPE_CHECKING:
    from bsr_plugin.evaluation.recorder import Recorder


class EvaluationProgram(Program):
    """A test; ``make_exp_dirs``, the first call once ``test_pipeline`` has read the options, opens all it needs.

    Attributes:
        open_dataset: Builds a data set.
        recorder: Records what the test measures; ``None`` leaves that to the toolbox's log.
    """

    replaced = ('make_exp_dirs', 'build_dataset', 'build_model')

    def __init__(self, program: Any) -> None:
        super().__init__(program)
        self._make_exp_dirs = program.make_exp_dirs
        self.open_dataset = program.build_dataset
        self.recorder: Recorder | None = None

    def make_exp_dirs(self, opt: dict[str, Any]) -> None:
        """Opens the test, then makes its folders as the toolbox does.

        Raises:
            InputError: Something is missing, damaged or does not fit; nothing has been touched.
        """
        use_one_gpu(opt)
        check_can_be_made(Path(opt['path']['results_root']))
        with self.log.held_back():
            self.opened = on_all_ranks(lambda: self._open_datasets(opt))
            self.open_model(opt)
            if self.recorder is not None:
                self.recorder.follow(self.opened['model'])
        self._make_exp_dirs(opt)

    def build_dataset(self, dataset_opt: dict[str, Any]) -> Any:
        """Gives a data set."""
        self.log.pass_on()
        return self.opened.pop(id(dataset_opt), None) or self.open_dataset(dataset_opt)

    def _open_datasets(self, opt: dict[str, Any]) -> dict[Any, Any]:
        datasets = {id(each): self.open_dataset(each) for _, each in sorted(opt['datasets'].items())}
        for each in opt['datasets'].values():
            check_images(each['name'], datasets[id(each)])
        return datasets
