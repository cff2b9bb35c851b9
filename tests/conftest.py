import random

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
