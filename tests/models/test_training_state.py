import io
import random
from collections import Counter, OrderedDict

import numpy as np
import pytest
import torch

from bsr_plugin.models.training_state import plain, random_state, set_random_state


def through_a_file(content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


def test_random_numbers_go_on_after_a_file_round_trip():
    random.gauss(0, 1)
    saved = through_a_file(plain(random_state()))

    def draw():
        return [random.random(), random.gauss(0, 1), *np.random.rand(2), np.random.randn(), *torch.rand(2).tolist()]  # noqa: NPY002

    expected = draw()
    draw()
    set_random_state(saved)
    assert draw() == expected


def test_containers_become_plain_and_keep_their_values():
    value = {
        'a': OrderedDict(x=(1, np.float64(0.5))),
        'b': [Counter([3, 3]), np.int64(4), None, True, 'c', float('inf')],
    }
    got = through_a_file(plain(value))
    assert got == {'a': {'x': (1, 0.5)}, 'b': [{3: 2}, 4, None, True, 'c', float('inf')]}
    assert type(got['a']) is dict
    assert type(got['a']['x'][1]) is float


def test_what_could_not_be_read_back_is_an_error_when_saving():
    with pytest.raises(TypeError, match='cannot hold'):
        plain({'a': object()})
