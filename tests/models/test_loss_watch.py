import math

import pytest
import torch

from bsr_plugin.models.failures import NonFiniteError
from bsr_plugin.models.loss_watch import LossWatch, all_finite


def losses(**values):
    return {name: torch.tensor(value, requires_grad=True) for name, value in values.items()}


FINITE = (torch.zeros(2), torch.ones(2))


def test_a_bad_loss_is_reported_at_once_with_iteration_terms_learning_rate_and_images():
    watch = LossWatch(1)
    watch.add(6, losses(l_pix=0.1, l_lp=0.2), 10.0, FINITE, ['a.png'])
    with pytest.raises(NonFiniteError) as caught:
        watch.add(7, losses(l_pix=math.nan, l_lp=math.inf, l_l1=0.1), 10.0, FINITE, ['b.png', 'c.png'])
    assert str(caught.value) == (
        'iteration 7: l_pix is nan, l_lp is inf at a learning rate of 10; the batch is finite, '
        'so lower train.optim_g.lr or set train.grad_clip (batch: b.png, c.png)'
    )


@pytest.mark.parametrize('wrong', [0, 1])
def test_images_that_are_not_finite_are_to_blame(wrong):
    batch = [torch.zeros(2), torch.zeros(2)]
    batch[wrong][1] = math.inf
    with pytest.raises(NonFiniteError) as caught:
        LossWatch(1).add(7, losses(l_pix=math.nan), 2e-4, batch, ['b.png', 'c.png'])
    assert str(caught.value) == (
        'iteration 7: l_pix is nan at a learning rate of 0.0002; '
        'the batch itself holds NaN or infinity, look at b.png, c.png'
    )


def test_on_a_gpu_the_first_bad_iteration_of_the_interval_is_found_later():
    watch = LossWatch(4)
    for iteration in (1, 2, 3):
        loss = losses(l_pix=math.nan if iteration > 1 else 1.0)
        watch.add(iteration, loss, 0.1 * iteration, FINITE, [f'{iteration}.png'])
    with pytest.raises(NonFiniteError, match=r'iteration 2: l_pix is nan at a learning rate of 0\.2; .* 2\.png'):
        watch.add(4, losses(l_pix=1.0), 0.4, FINITE, ['4.png'])
    watch.check()


def test_before_a_save_the_interval_is_not_waited_for():
    watch = LossWatch(50)
    watch.add(3, losses(l_pix=-math.inf), 0.1, FINITE, [])
    with pytest.raises(NonFiniteError, match=r'iteration 3: l_pix is -inf .*unknown images'):
        watch.check()


def test_losses_seen_are_forgotten_so_that_memory_stays_bounded():
    watch = LossWatch(3)
    for iteration in range(10):
        watch.add(iteration, losses(l_pix=1.0), 0.1, FINITE, [])
        assert len(watch._unseen) < 3


def test_every_value_of_every_tensor_counts_and_integers_are_finite():
    good = [torch.ones(3, 3), torch.zeros(2), torch.tensor(3)]
    assert all_finite(good)
    assert all_finite([])
    for wrong in (math.nan, math.inf):
        bad = torch.ones(4, 4)
        bad[2, 3] = wrong
        assert not all_finite([*good, bad])


def test_with_fp16_a_larger_range_is_the_first_remedy():
    with pytest.raises(
        NonFiniteError, match=r'is finite, so set train\.amp to bf16 or ~, whose range is larger, lower'
    ):
        LossWatch(1, 'fp16').add(7, losses(l_pix=math.nan), 2e-4, FINITE, ['a.png'])
