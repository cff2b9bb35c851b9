"""The toolbox's training and test programs, for the launchers in ``basicsr/``.

A launcher does more than an unmodified program with the plugin: it reads option files safely and checks them as a
whole, gives BasicSR's own data set the guards of this package's, keeps every figure of a test, and turns what a user
can fix into one sentence.
"""

import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

from bsr_plugin.interruption import EXIT_INTERRUPTED, ended_by_ctrl_c

EXIT_DONE, EXIT_FAILED, EXIT_PARTLY, EXIT_WRONG_INPUT = 0, 1, 1, 2
_LESS_MEMORY = 'lower batch_size_per_gpu or gt_size, or raise train.accumulate; for validation images, set val.tile.'


def _program(run: Callable[[str], int]) -> Callable[[str | Path], int]:
    """Turns errors that the user can fix into one sentence and an exit status, and leaves the process group."""

    @wraps(run)
    def program(root_path: str | Path) -> int:
        name = Path(sys.argv[0]).name
        # OpenCV's own lines on a damaged image say less than ours.
        os.environ.setdefault('OPENCV_LOG_LEVEL', 'SILENT')
        with ended_by_ctrl_c(f'{name}: interrupted.'):
            import torch

            import basicsr.train  # noqa: F401
            from bsr_plugin.allocator import keep_freed_memory
            from bsr_plugin.errors import InputError
            from bsr_plugin.models.failures import TrainingError
            from bsr_plugin.models.tiling import is_out_of_memory
            from bsr_plugin.toolbox import command_line  # noqa: F401
        if not torch.cuda.is_available():
            keep_freed_memory()
        try:
            try:
                status = run(str(root_path))
            except InputError as error:
                print(f'{name}: {error}', file=sys.stderr)
                return EXIT_WRONG_INPUT
            except TrainingError as error:
                print(f'{name}: stopped: {error}', file=sys.stderr)
                return EXIT_FAILED
            except OSError as error:
                print(f'{name}: {error}', file=sys.stderr)
                return EXIT_FAILED
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                reason = str(error).partition('\n')[0]
                print(f'{name}: out of memory ({reason}): {_LESS_MEMORY}', file=sys.stderr)
                return EXIT_FAILED
            except SystemExit as stopped:
                _leave_job()
                # What the run has left in its frames holds its loader: PyTorch gives every persistent worker that is
                # still there when the interpreter exits, and that nobody has told to end, five seconds.
                traceback.clear_frames(stopped.__traceback__)
                raise
        except KeyboardInterrupt:
            print(f'{name}: interrupted.', file=sys.stderr)
            return EXIT_INTERRUPTED
        _leave_job()
        return status

    return program


@_program
def train(root_path: str | Path) -> int:
    """Trains as the option file on the command line says; makes ``experiments/`` and ``tb_logger/`` in ``root_path``.

    Returns:
        The exit status: 0 done, 1 the training cannot go on, 2 wrong input, 130 interrupted before the first iteration.

    Raises:
        SystemExit: With 143 after SIGTERM and 130 after Ctrl-C, once BSRModel has saved its state.
    """
    import basicsr.train as program
    from bsr_plugin.toolbox.command_line import parse_options
    from bsr_plugin.toolbox.guarding import guarded
    from bsr_plugin.toolbox.replacing import replace_in_training_program

    writers: list[Any] = []
    stock_writer = program.init_tb_logger

    def init_tb_logger(log_dir: str) -> Any:
        writer = stock_writer(log_dir)
        writers.append(writer)
        return writer and _with_validations_on_disk(writer)

    replace_in_training_program(program)
    build_dataset = guarded(program.build_dataset)
    with _bound(program, parse_options=parse_options, init_tb_logger=init_tb_logger, build_dataset=build_dataset):
        try:
            program.train_pipeline(root_path)
        finally:
            # The toolbox closes the curves only after the last iteration.
            for writer in filter(None, writers):
                writer.close()
    return EXIT_DONE


def _with_validations_on_disk(writer: Any) -> Any:
    """Has a TensorBoard writer leave no figure of a validation in its buffer, where a process that is killed loses it.

    A run that resumes after the validation does not make it again.
    """
    stock = writer.add_scalar

    def add_scalar(tag: str, *values: Any, **settings: Any) -> None:
        stock(tag, *values, **settings)
        if tag.startswith('metrics/'):
            writer.flush()

    writer.add_scalar = add_scalar
    return writer


@_program
def test(root_path: str | Path) -> int:
    """Tests as the option file on the command line says; makes ``results/`` in ``root_path``.

    Returns:
        The exit status: 0 done, 1 images were left out (the log names them), 2 wrong input, 130 interrupted.
    """
    import basicsr.test as program
    from bsr_plugin.evaluation.recorder import Recorder
    from bsr_plugin.toolbox.command_line import parse_options
    from bsr_plugin.toolbox.guarding import guarded
    from bsr_plugin.toolbox.replacing import replace_in_test_program

    opened = replace_in_test_program(program)
    open_dataset, recorder = guarded(opened.open_dataset), Recorder()
    with _bound(program, parse_options=parse_options), _bound(opened, open_dataset=open_dataset, recorder=recorder):
        program.test_pipeline(root_path)
    return EXIT_PARTLY if recorder.skipped else EXIT_DONE


@contextmanager
def _bound(owner: Any, **stand_ins: Any) -> Iterator[None]:
    """Binds names inside the block."""
    stock = {name: getattr(owner, name) for name in stand_ins}
    vars(owner).update(stand_ins)
    try:
        yield
    finally:
        vars(owner).update(stock)


def _leave_job() -> None:
    """Ends the process group of a job that is done; PyTorch warns of one that is left."""
    import torch.distributed as dist

    if dist.is_initialized():
        dist.destroy_process_group()
