"""HybridL1L2LpLoss against float64 formulas in NumPy and against BasicSR's own losses."""

import numpy as np
import pytest
import torch
from basicsr.losses import build_loss
from basicsr.losses.basic_loss import L1Loss, MSELoss
from basicsr.utils.registry import LOSS_REGISTRY
from hypothesis import given, settings
from hypothesis import strategies as st

from bsr_plugin.errors import InputError
from bsr_plugin.losses import HybridL1L2LpLoss


def pair(dtype=torch.float64, shape=(2, 3, 4, 5)):
    return torch.rand(shape, dtype=torch.float64).to(dtype), torch.rand(shape, dtype=torch.float64).to(dtype)


def by_the_formula(pred, target, l2=1.0, l1=0.1, lp=0.01, p=0.5, eps=1e-3):
    """f of every element, in float64."""
    d = pred.double().numpy() - target.double().numpy()
    return l2 * d**2 + l1 * np.abs(d) + lp * ((d**2 + eps**2) ** (p / 2) - eps**p)


def slope(loss, error):
    """Gradient of the loss of a single value."""
    pred = torch.full((1, 1, 1, 1), error, dtype=torch.float64, requires_grad=True)
    loss(pred, torch.zeros(1, 1, 1, 1, dtype=torch.float64)).backward()
    return pred.grad.item()


@pytest.mark.parametrize('p', [0.1, 0.5, 1.0])
@pytest.mark.parametrize('eps', [1e-4, 1e-2])
@pytest.mark.parametrize('weights', [(1.0, 0.1, 0.01), (2.0, 0.0, 3.0), (0.0, 1.5, 0.0), (0.0, 0.0, 1.0)])
def test_value_of_every_reduction(p, eps, weights):
    l2, l1, lp = weights
    pred, target = pair()
    expected = 0.7 * by_the_formula(pred, target, l2, l1, lp, p, eps)
    options = {'loss_weight': 0.7, 'l2_weight': l2, 'l1_weight': l1, 'lp_weight': lp, 'p': p, 'eps': eps}

    values = {name: HybridL1L2LpLoss(**options, reduction=name)(pred, target) for name in ('none', 'mean', 'sum')}

    np.testing.assert_allclose(values['none'].numpy(), expected, rtol=1e-9)
    assert values['mean'].item() == pytest.approx(expected.mean(), rel=1e-12)
    assert values['sum'].item() == pytest.approx(expected.sum(), rel=1e-12)


def test_defaults_are_those_of_the_docstring():
    pred, target = pair()
    assert HybridL1L2LpLoss()(pred, target).item() == pytest.approx(by_the_formula(pred, target).mean(), rel=1e-12)


@given(error=st.floats(-2, 2), p=st.floats(0.01, 1), eps=st.floats(1e-6, 1))
@settings(max_examples=200, deadline=None)
def test_one_error_in_float32_has_the_exact_value_and_a_bounded_slope(error, p, eps):
    loss = HybridL1L2LpLoss(l2_weight=0, l1_weight=0, lp_weight=1, p=p, eps=eps)
    pred = torch.full((1, 1, 1, 1), error, requires_grad=True)
    value = loss(pred, torch.zeros(1, 1, 1, 1))
    value.backward()

    d = np.longdouble(pred.item())
    eps_, p_ = np.longdouble(eps), np.longdouble(p)
    expected = eps_**p_ * np.expm1(p_ / 2 * np.log1p((d / eps_) ** 2))
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(float(expected), rel=2e-5, abs=1e-37)
    # p d (d^2 + eps^2)^(p/2 - 1) is largest where d^2 = eps^2 / (1 - p), and there below p eps^(p-1)
    assert abs(pred.grad.item()) <= p * eps ** (p - 1) * (1 + 1e-5)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize('eps', [1e-12, 1e-3, 0.3])
@pytest.mark.parametrize('p', [0.01, 0.5, 1.0])
def test_equality_costs_nothing_and_has_a_gradient(dtype, eps, p):
    pred = pair(dtype)[0].requires_grad_()
    loss = HybridL1L2LpLoss(eps=eps, p=p)(pred, pred.detach().clone())
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(pred.grad, torch.zeros_like(pred))


@pytest.mark.parametrize('error', [1e-30, 1e-12, 1e-6, 1.0, 255.0, 1e6])
@pytest.mark.parametrize('eps', [1e-12, 1e-3])
def test_the_gradient_is_finite_everywhere(error, eps):
    pred = torch.tensor([[[[error, -error]]]], requires_grad=True)
    HybridL1L2LpLoss(eps=eps)(pred, torch.zeros_like(pred)).backward()
    assert torch.isfinite(pred.grad).all()
    assert (pred.grad * pred > 0).all()


@pytest.mark.parametrize('p', [0.3, 0.5, 1.0])
@pytest.mark.parametrize('weighted', [False, True])
@pytest.mark.parametrize('reduction', ['none', 'mean', 'sum'])
def test_gradients(p, weighted, reduction):
    pred, target = pair(shape=(2, 3, 2, 2))
    pred = target + torch.where(pred > 0.5, pred, -pred)  # away from the corner of |d|
    weight = torch.rand(2, 1, 2, 2, dtype=torch.float64) if weighted else None
    loss = HybridL1L2LpLoss(p=p, eps=0.05, lp_weight=0.5, reduction=reduction)
    pred.requires_grad_()
    target.requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: loss(a, b, weight), (pred, target))


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_narrow_types_are_widened_before_the_difference(dtype):
    pred, target = pair(torch.float32)
    narrow = pred.to(dtype).requires_grad_()
    with torch.autocast('cpu', torch.bfloat16):
        loss = HybridL1L2LpLoss()(narrow, target)
    loss.backward()
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(by_the_formula(narrow.detach(), target).mean(), rel=1e-5)
    assert narrow.grad.dtype == dtype


def test_float64_is_kept():
    pred, target = pair()
    loss = HybridL1L2LpLoss(lp_weight=0, l1_weight=0)
    tiny = loss(pred.float(), pred.float() + 1e-12)
    assert tiny.item() == 0
    assert loss(pred, pred + 1e-12).item() == pytest.approx(1e-24, rel=1e-3)
    assert loss(pred, target.float()).dtype == torch.float64


@pytest.mark.parametrize('reduction', ['none', 'mean', 'sum'])
@pytest.mark.parametrize('channels', [None, 1, 3])
@pytest.mark.parametrize(('term', 'stock'), [('l1_weight', L1Loss), ('l2_weight', MSELoss)])
def test_weights_and_reductions_are_basicsrs(reduction, channels, term, stock):
    pred, target = pair(torch.float32)
    weight = None if channels is None else torch.rand(2, channels, 4, 5)
    options = {'l2_weight': 0, 'l1_weight': 0, 'lp_weight': 0, term: 3}
    result = HybridL1L2LpLoss(loss_weight=0.5, reduction=reduction, **options)(pred, target, weight)
    expected = stock(loss_weight=1.5, reduction=reduction)(pred, target, weight=weight)
    assert expected.abs().max() > 0
    torch.testing.assert_close(result, expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize('reduction', ['none', 'mean', 'sum'])
@pytest.mark.parametrize('channels', [1, 3])
def test_the_lp_term_is_weighted_alike(reduction, channels):
    pred, target = pair()
    weight = torch.rand(2, channels, 4, 5, dtype=torch.float64)
    result = HybridL1L2LpLoss(l2_weight=0, l1_weight=0, lp_weight=1, reduction=reduction)(pred, target, weight)
    elements = by_the_formula(pred, target, 0, 0, 1) * weight.numpy()
    divisor = weight.sum().item() * (3 if channels == 1 else 1)
    expected = {'none': elements, 'sum': elements.sum(), 'mean': elements.sum() / divisor}[reduction]
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-9)


@pytest.mark.parametrize('reduction', ['none', 'mean', 'sum'])
def test_terms_are_the_weighted_parts_of_the_loss(reduction):
    pred, target = pair()
    loss = HybridL1L2LpLoss(loss_weight=2, l2_weight=3, l1_weight=0.5, lp_weight=0.25, reduction=reduction)
    terms = loss.terms(pred, target)

    reduce = {'none': lambda x: x, 'mean': np.mean, 'sum': np.sum}[reduction]
    for name, weights in {'l_l2': (3, 0, 0), 'l_l1': (0, 0.5, 0), 'l_lp': (0, 0, 0.25)}.items():
        np.testing.assert_allclose(terms[name], 2 * reduce(by_the_formula(pred, target, *weights)), rtol=1e-9)
    assert list(terms) == ['l_l2', 'l_l1', 'l_lp']
    assert torch.equal(loss(pred, target), terms['l_l2'] + terms['l_l1'] + terms['l_lp'])


@pytest.mark.parametrize(
    ('off', 'left'),
    [('l2_weight', ['l_l1', 'l_lp']), ('l1_weight', ['l_l2', 'l_lp']), ('lp_weight', ['l_l2', 'l_l1'])],
)
def test_a_term_without_weight_is_not_computed(off, left):
    assert list(HybridL1L2LpLoss(**{off: 0}).terms(*pair())) == left


def test_an_infinite_square_does_not_spoil_the_other_terms():
    """0 * inf would be nan, so a term of weight 0 must not be computed."""
    pred = torch.full((1, 1, 1, 1), 1e30)
    assert HybridL1L2LpLoss(l2_weight=0, lp_weight=0, l1_weight=1)(pred, -pred).item() == pytest.approx(2e30)


def test_default_weights_share_the_gradient_as_the_docstring_says():
    whole = HybridL1L2LpLoss()
    l2 = HybridL1L2LpLoss(l1_weight=0, lp_weight=0)
    l1 = HybridL1L2LpLoss(l2_weight=0, lp_weight=0)
    lp = HybridL1L2LpLoss(l2_weight=0, l1_weight=0)

    assert slope(l2, 0.05) == pytest.approx(slope(l1, 0.05))
    assert slope(lp, 0.0025) == pytest.approx(slope(l1, 0.0025), rel=0.12)
    assert slope(l2, 0.0184) == pytest.approx(slope(lp, 0.0184), rel=0.01)
    slopes = [slope(whole, error) for error in np.geomspace(1e-3, 0.1, 100)]
    assert min(slopes) > 0.16
    assert max(slopes) < 0.32


def test_basicsr_builds_it_by_name():
    assert LOSS_REGISTRY.get('HybridL1L2LpLoss') is HybridL1L2LpLoss
    pred, target = pair()
    loss = build_loss({'type': 'HybridL1L2LpLoss', 'loss_weight': 2, 'lp_weight': 0, 'reduction': 'sum'})
    expected = 2 * by_the_formula(pred, target, lp=0).sum()
    assert loss(pred, target).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'l2_weight': -1}, 'l2_weight is -1: use a number of at least 0'),
        ({'l1_weight': '0.1'}, "l1_weight is '0.1': use a number of at least 0"),
        ({'lp_weight': float('nan')}, 'lp_weight is nan: use a number of at least 0'),
        ({'lp_weight': True}, 'lp_weight is True: use a number of at least 0'),
        (
            {'l2_weight': 0, 'l1_weight': 0.0, 'lp_weight': 0},
            'l2_weight, l1_weight and lp_weight are all 0: give at least one term a weight above 0',
        ),
        ({'loss_weight': 0}, 'loss_weight is 0: use a number above 0, or leave the loss out'),
        ({'loss_weight': float('inf')}, 'loss_weight is inf: use a number above 0, or leave the loss out'),
        ({'p': 0}, 'p is 0: use a number above 0 and at most 1'),
        ({'p': 1.1}, 'p is 1.1: use a number above 0 and at most 1'),
        ({'p': None}, 'p is None: use a number above 0 and at most 1'),
        ({'eps': 0}, 'eps is 0: use a number of at least 1e-12, such as 0.001'),
        ({'eps': -1e-3}, 'eps is -0.001: use a number of at least 1e-12, such as 0.001'),
        ({'reduction': 'avg'}, "reduction is 'avg': use 'none', 'mean' or 'sum'"),
        ({'reduction': None}, "reduction is None: use 'none', 'mean' or 'sum'"),
    ],
)
def test_wrong_arguments_are_refused_with_a_sentence(options, message):
    with pytest.raises(InputError) as caught:
        HybridL1L2LpLoss(**options)
    assert str(caught.value) == message


def test_shapes_that_do_not_match_are_refused():
    pred, target = pair()
    with pytest.raises(InputError, match=r'^pred has shape \[2, 3, 4, 5\], target \[2, 1, 4, 5\]: they must be equal$'):
        HybridL1L2LpLoss()(pred, target[:, :1])
    with pytest.raises(InputError, match=r'^weight has shape \[4, 5\]: use \[2, 3, 4, 5\] or \[2, 1, 4, 5\]$'):
        HybridL1L2LpLoss()(pred, target, torch.ones(4, 5))


def test_a_misspelt_argument_is_an_error():
    with pytest.raises(TypeError, match='weights'):
        HybridL1L2LpLoss()(*pair(), weights=torch.ones(2, 1, 4, 5))
