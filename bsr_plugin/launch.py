"""The toolbox's training and test programs, for the launchers in ``basicsr/``."""

import sys
from collections.abc import Callable
from pathlib import Path

from bsr_plugin.errors import InputError
from bsr_plugin.models.failures import TrainingError

EXIT_DONE, EXIT_FAILED, EXIT_WRONG_INPUT = 0, 1, 2


def train(root_path: str | Path) -> int:
    """Trains as the option file on the command line says.

    Args:
        root_path: Where ``experiments/`` and ``tb_logger/`` are made.

    Returns:
        The exit status: 0 done, 1 the training cannot go on, 2 wrong input.

    Raises:
        SystemExit: With 143 after SIGTERM and 130 after Ctrl-C, once BSRModel has saved its state.
    """
    from basicsr.train import train_pipeline

    return _run(train_pipeline, root_path)


def test(root_path: str | Path) -> int:
    """Tests as the option file on the command line says.

    Args:
        root_path: Where ``results/`` is made.

    Returns:
        The exit status: 0 done, 2 wrong input.
    """
    from basicsr.test import test_pipeline

    return _run(test_pipeline, root_path)


def _run(pipeline: Callable[[str], None], root_path: str | Path) -> int:
    try:
        pipeline(str(root_path))
    except InputError as error:
        print(f'{Path(sys.argv[0]).name}: {error}', file=sys.stderr)
        return EXIT_WRONG_INPUT
    except TrainingError as error:
        print(f'{Path(sys.argv[0]).name}: training stopped: {error}', file=sys.stderr)
        return EXIT_FAILED
    return EXIT_DONE
