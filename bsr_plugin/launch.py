"""The toolbox's training and test programs, for the launchers in ``basicsr/``."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bsr_plugin.errors import InputError
from bsr_plugin.models.failures import TrainingError
from bsr_plugin.options.command_line import parse_options

EXIT_DONE, EXIT_FAILED, EXIT_PARTLY, EXIT_WRONG_INPUT = 0, 1, 1, 2


def train(root_path: str | Path) -> int:
    """Trains as the option file on the command line says.

    Args:
        root_path: Where ``experiments/`` and ``tb_logger/`` are made.

    Returns:
        The exit status: 0 done, 1 the training cannot go on, 2 wrong input.

    Raises:
        SystemExit: With 143 after SIGTERM and 130 after Ctrl-C, once BSRModel has saved its state.
    """
    import basicsr.train

    with _closing_curves(basicsr.train):
        return _run(basicsr.train, basicsr.train.train_pipeline, root_path)


def test(root_path: str | Path) -> int:
    """Tests as the option file on the command line says.

    Args:
        root_path: Where ``results/`` is made.

    Returns:
        The exit status: 0 done, 1 images were left out (the log names them), 2 wrong input.
    """
    import basicsr.test
    from bsr_plugin.evaluation.recording import recording

    with recording() as recorder:
        status = _run(basicsr.test, basicsr.test.test_pipeline, root_path)
    return status or (EXIT_PARTLY if recorder.skipped else EXIT_DONE)


def _run(program: Any, pipeline: Callable[[str], None], root_path: str | Path) -> int:
    try:
        with _checked_options(program):
            pipeline(str(root_path))
    except InputError as error:
        print(f'{Path(sys.argv[0]).name}: {error}', file=sys.stderr)
        return EXIT_WRONG_INPUT
    except TrainingError as error:
        print(f'{Path(sys.argv[0]).name}: training stopped: {error}', file=sys.stderr)
        return EXIT_FAILED
    return EXIT_DONE


@contextmanager
def _checked_options(program: Any) -> Iterator[None]:
    """Gives a program of the toolbox options that have been read safely and checked as a whole."""
    stock = program.parse_options
    program.parse_options = parse_options
    try:
        yield
    finally:
        program.parse_options = stock


@contextmanager
def _closing_curves(program: Any) -> Iterator[None]:
    """Writes out the curves of a run that ends early; the toolbox does it only after the last iteration."""
    stock, writers = program.init_tb_logger, []

    def init_tb_logger(log_dir: str) -> Any:
        writer = stock(log_dir)
        writers.append(writer)
        return writer

    program.init_tb_logger = init_tb_logger
    try:
        yield
    finally:
        program.init_tb_logger = stock
        for writer in filter(None, writers):
            writer.close()
