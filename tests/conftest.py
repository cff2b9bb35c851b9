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
