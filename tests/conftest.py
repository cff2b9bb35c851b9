import os
import random
import signal

# One thread for each process, also for those that tests start: there are as many test processes as cores.
os.environ.setdefault('OMP_NUM_THREADS', '1')

# What runs in the background of a script ignores Ctrl-C, and so would all programs that tests start there.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import numpy as np
import pytest
import torch
from hypothesis import settings
from programs import Programs

# The same examples everywhere, and none that fails because the machine is busy.
settings.register_profile('repeatable', deadline=None, derandomize=True)
settings.load_profile('repeatable')


@pytest.fixture(autouse=True)
def _seeded():
    """Every test draws the same random numbers, in whatever order the tests run."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - the toolbox draws from NumPy's global generator
    torch.manual_seed(0)


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
    """Without a GPU the tests that need one are deselected, and counted as such; long ones do not begin last."""
    if not torch.cuda.is_available():
        without = [item for item in items if item.get_closest_marker('gpu')]
        config.hook.pytest_deselected(items=without)
        items[:] = [item for item in items if item not in without]
    # Several workers share the long tests out and end together; one process tells of what fails soon.
    first = hasattr(config, 'workerinput')
    items.sort(key=lambda item: (item.get_closest_marker('slow') is None) == first)
