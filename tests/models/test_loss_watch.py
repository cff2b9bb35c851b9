import math

import pytest
import torch

from bsr_plugin.models.failures import NonFiniteError
from bsr_plugin.models.loss_watch import LossWatch, all_finite


def losses(**values):
    return {name: torch.tensor(value, requires_grad=True) for name, value in values.items()}


def test_a_bad_loss_is_reported_at_once_with_iteration_terms_and_images():
    watch = LossWatch(1)
    watch.add(6, losses(l_pix=0.1, l_lp=0.2), ['a.png'])
    with pytest.raises(NonFiniteError) as caught:
        watch.add(7, losses(l_pix=math.nan, l_lp=math.inf, l_l1=0.1), ['b.png', 'c.png'])
    assert str(caught.value) == 'iteration 7: l_pix is nan, l_lp is inf for the batch of b.png, c.png'


def test_on_a_gpu_the_first_bad_iteration_of_the_interval_is_found_later():
    watch = LossWatch(4)
    for iteration in (1, 2, 3):
        watch.add(iteration, losses(l_pix=math.nan if iteration > 1 else 1.0), [f'{iteration}.png'])
    with pytest.raises(NonFiniteError, match=r'iteration 2: l_pix is nan for the batch of 2\.png'):
        watch.add(4, losses(l_pix=1.0), ['4.png'])
    watch.check()


def test_before_a_save_the_interval_is_not_waited_for():
    watch = LossWatch(50)
    watch.add(3, losses(l_pix=-math.inf), [])
    with pytest.raises(NonFiniteError, match='iteration 3: l_pix is -inf for the batch of unknown images'):
        watch.check()


def test_losses_seen_are_forgotten_so_that_memory_stays_bounded():
    watch = LossWatch(3)
    for iteration in range(10):
        watch.add(iteration, losses(l_pix=1.0), [])
        assert len(watch._unseen) < 3


def test_every_value_of_every_tensor_counts_and_integers_are_finite():
    good = [torch.ones(3, 3), torch.zeros(2), torch.tensor(3)]
    assert all_finite(good)
    assert all_finite([])
    for wrong in (math.nan, math.inf):
        bad = torch.ones(4, 4)
        bad[2, 3] = wrong
        assert not all_finite([*good, bad])
