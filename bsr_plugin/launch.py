"""The toolbox's training and test programs, for the launchers in ``basicsr/``.

A launcher does more than an unmodified program with the plugin: it reads option files safely and checks them as a
whole, gives BasicSR's own data set the guards of this package's, keeps every figure of a test, and turns what a user
can put right into one sentence.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

EXIT_DONE, EXIT_FAILED, EXIT_PARTLY, EXIT_WRONG_INPUT, EXIT_INTERRUPTED = 0, 1, 1, 2, 130


def train(root_path: str | Path) -> int:
    """Trains as the option file on the command line says.

    Args:
        root_path: Where ``experiments/`` and ``tb_logger/`` are made.

    Returns:
        The exit status: 0 done, 1 the training cannot go on, 2 wrong input, 130 interrupted before the first iteration.

    Raises:
        SystemExit: With 143 after SIGTERM and 130 after Ctrl-C, once BSRModel has saved its state.
    """
    return _exit_status(lambda: _train(str(root_path)))


def test(root_path: str | Path) -> int:
    """Tests as the option file on the command line says.

    Args:
        root_path: Where ``results/`` is made.

    Returns:
        The exit status: 0 done, 1 images were left out (the log names them), 2 wrong input, 130 interrupted.
    """
    return _exit_status(lambda: _test(str(root_path)))


def _train(root_path: str) -> int:
    import basicsr.train as program
    from bsr_plugin.toolbox.command_line import parse_options
    from bsr_plugin.toolbox.opening import guarded
    from bsr_plugin.toolbox.replacing import replace_in_training_program

    writers: list[Any] = []
    stock_writer = program.init_tb_logger

    def init_tb_logger(log_dir: str) -> Any:
        writers.append(stock_writer(log_dir))
        return writers[-1]

    replace_in_training_program(program)
    with ExitStack() as stack:
        stack.enter_context(_for_this_run(program, 'parse_options', parse_options))
        stack.enter_context(_for_this_run(program, 'init_tb_logger', init_tb_logger))
        stack.enter_context(_for_this_run(program, 'build_dataset', guarded(program.build_dataset)))
        # The toolbox closes the curves only after the last iteration.
        stack.callback(lambda: [writer.close() for writer in filter(None, writers)])
        program.train_pipeline(root_path)
    return EXIT_DONE


def _test(root_path: str) -> int:
    import basicsr.test as program
    from bsr_plugin.evaluation.recorder import Recorder
    from bsr_plugin.toolbox.command_line import parse_options
    from bsr_plugin.toolbox.opening import guarded
    from bsr_plugin.toolbox.replacing import replace_in_test_program

    opened = replace_in_test_program(program)
    recorder = Recorder()
    with ExitStack() as stack:
        stack.enter_context(_for_this_run(program, 'parse_options', parse_options))
        stack.enter_context(_for_this_run(opened, 'open_dataset', guarded(opened.open_dataset)))
        stack.enter_context(_for_this_run(opened, 'recorder', recorder))
        program.test_pipeline(root_path)
    return EXIT_PARTLY if recorder.skipped else EXIT_DONE


@contextmanager
def _for_this_run(owner: Any, name: str, stand_in: Any) -> Iterator[None]:
    """Binds a name inside the block."""
    stock = getattr(owner, name)
    setattr(owner, name, stand_in)
    try:
        yield
    finally:
        setattr(owner, name, stock)


def _exit_status(run: Callable[[], int]) -> int:
    """Runs a program; what its user can put right is one sentence, and what a job leaves behind is tidied up."""
    program = Path(sys.argv[0]).name
    # OpenCV's own lines on a damaged image say less than ours.
    os.environ.setdefault('OPENCV_LOG_LEVEL', 'SILENT')
    try:
        # Imported here, for Ctrl-C may come while they are.
        from bsr_plugin.errors import InputError
        from bsr_plugin.models.failures import TrainingError

        try:
            status = run()
        except InputError as error:
            print(f'{program}: {error}', file=sys.stderr)
            return EXIT_WRONG_INPUT
        except TrainingError as error:
            print(f'{program}: stopped: {error}', file=sys.stderr)
            return EXIT_FAILED
        except OSError as error:
            print(f'{program}: {error}', file=sys.stderr)
            return EXIT_FAILED
        except SystemExit:
            _leave_job()
            raise
    except KeyboardInterrupt:
        print(f'{program}: interrupted.', file=sys.stderr)
        return EXIT_INTERRUPTED
    _leave_job()
    return status


def _leave_job() -> None:
    """Ends the process group of a job that is done; PyTorch warns of one that is left."""
    import torch.distributed as dist

    if dist.is_initialized():
        dist.destroy_process_group()
