import os
import random
import shlex
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

torch.set_num_threads(2)


@pytest.fixture(autouse=True)
def _seeded():
    """Every test draws the same random numbers, in whatever order the tests run."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - the toolbox draws from NumPy's global generator
    torch.manual_seed(0)


class Programs:
    """Starts programs, and ends them with all that they have started.

    ``subprocess.run`` ends a program whose time is up and then waits for those who still hold its output, for ever if
    they hang: the ranks of torchrun, which have sessions of their own, or the workers of a loader.
    """

    def __init__(self, mark):
        self._mark = mark

    def start(self, words, env=os.environ, **settings):
        environment = {**env, 'BSR_TEST': self._mark}
        return subprocess.Popen([*map(str, words)], env=environment, text=True, **settings)

    def finish(self, process, timeout=240):
        """What a program prints until it ends."""
        try:
            return process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.end()
            printed, errors = process.communicate(timeout=60)
            pytest.fail(f'{shlex.join(process.args)} did not end within {timeout} s:\n{printed}{errors or ""}')

    def run(self, words, timeout=240, **settings):
        process = self.start(words, **{'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, **settings})
        printed, errors = self.finish(process, timeout)
        return subprocess.CompletedProcess(process.args, process.returncode, printed, errors)

    def end(self):
        """Kills whoever still runs, found by the environment that children inherit (on Linux)."""
        for environment in Path('/proc').glob('[0-9]*/environ'):
            with suppress(OSError):
                if f'BSR_TEST={self._mark}'.encode() in environment.read_bytes().split(b'\0'):
                    os.kill(int(environment.parent.name), signal.SIGKILL)


@pytest.fixture
def programs(tmp_path):
    """Starts programs; none outlives the test."""
    programs = Programs(str(tmp_path))
    yield programs
    programs.end()


@pytest.fixture(params=['cpu', pytest.param('cuda', marks=pytest.mark.gpu)])
def device(request):
    """The CPU, and in ``make gpu`` the GPU, whose test is the same."""
    return torch.device(request.param)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Without a GPU the tests that need one are deselected, and counted as such."""
    if not torch.cuda.is_available():
        without = [item for item in items if item.get_closest_marker('gpu')]
        config.hook.pytest_deselected(items=without)
        items[:] = [item for item in items if item not in without]
