"""Constraints after each step, what is trained, what is regularised."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from _layers import clips, inputs_of
from torch import Tensor, nn

import leaf_port as lp
from leaf_port.models import AudioClassifier

UNIT = math.sqrt(2 * math.log(2)) / math.pi
BEYOND = torch.tensor([[-0.3, 0.5], [4.0, 400.0], [1.0, 20.0]])
# For a window of 401 samples, in float32.
WITHIN = torch.tensor([[0.0, 4 * UNIT], [math.pi, 401 * UNIT], [1.0, 20.0]])


def _leaf() -> lp.Leaf:
    """Whose kernel a step or a user has left out of bounds."""
    leaf = lp.Leaf(n_filters=3)
    with torch.no_grad():
        leaf.complex_conv.kernel.copy_(BEYOND)
    return leaf


def _step(optimizer: torch.optim.Optimizer) -> None:
    """A step that changes nothing by itself."""
    for group in optimizer.param_groups:
        for weight in group["params"]:
            weight.grad = torch.zeros_like(weight)
    optimizer.step()


def test_constraints_are_applied_when_asked() -> None:
    leaf = AudioClassifier(2, _leaf())
    others = {name: w.clone() for name, w in leaf.named_parameters() if "complex_conv" not in name}
    lp.apply_constraints(leaf)
    assert torch.equal(leaf.frontend.complex_conv.kernel, WITHIN)
    assert all(torch.equal(dict(leaf.named_parameters())[name], w) for name, w in others.items())


def test_constrained_kernels_stay_parameters() -> None:
    """The optimiser holds the same tensor afterwards, and it still has its gradient."""
    leaf = _leaf()
    kernel = leaf.complex_conv.kernel
    leaf(clips(1, 800)).sum().backward()
    before = kernel.grad
    lp.apply_constraints(leaf)
    assert leaf.complex_conv.kernel is kernel
    assert kernel.grad is before
    assert kernel.is_leaf
    assert kernel.requires_grad


def test_untrained_kernels_are_left_alone() -> None:
    leaf = _leaf()
    leaf.complex_conv.requires_grad_(False)
    lp.apply_constraints(leaf)
    assert torch.equal(leaf.complex_conv.kernel, BEYOND)


def test_constraints_change_no_output() -> None:
    """The forward pass applies them itself; a Gabor kernel within its bounds is unchanged."""
    leaf, x = _leaf(), clips(2, 1000)
    before = leaf(x)
    lp.apply_constraints(leaf)
    assert torch.equal(leaf(x), before)


def test_unit_norm_is_applied() -> None:
    """Divided by the norm, above 0.1, plus 1e-7; and 25 roundings."""
    layer = lp.NormalizedConv1d(4, 25)
    lp.apply_constraints(layer)
    norms = layer.kernel.detach().double().norm(dim=0)
    assert (norms - 1).abs().max() <= 1e-7 / 0.1 + 25 * 2.0**-24


def test_steps_are_followed_by_the_constraints() -> None:
    leaf = _leaf()
    optimizer = torch.optim.SGD(leaf.parameters(), lr=0.1)
    lp.constrain_after_step(optimizer, leaf)
    _step(optimizer)
    assert torch.equal(leaf.complex_conv.kernel, WITHIN)


def test_a_step_out_of_bounds_ends_on_the_bound() -> None:
    """Keras' order: the optimiser moves the weight, then the constraint clips it."""
    leaf = _leaf()
    lp.apply_constraints(leaf)
    optimizer = torch.optim.SGD([leaf.complex_conv.kernel], lr=1.0)
    lp.constrain_after_step(optimizer, leaf)
    leaf.complex_conv.kernel.grad = torch.tensor([[1.0, 0.0], [-0.5, -9.0], [0.25, 0.5]])
    optimizer.step()
    expected = torch.tensor([[0.0, 4 * UNIT], [math.pi, 401 * UNIT], [0.75, 19.5]])
    assert torch.equal(leaf.complex_conv.kernel, expected)


def test_the_constraints_end_with_their_handle() -> None:
    leaf = _leaf()
    optimizer = torch.optim.SGD(leaf.parameters(), lr=0.1)
    handle = lp.constrain_after_step(optimizer, leaf)
    handle.remove()
    _step(optimizer)
    assert torch.equal(leaf.complex_conv.kernel, BEYOND)


def test_weights_of_no_optimiser_are_left_alone() -> None:
    leaf = _leaf()
    optimizer = torch.optim.SGD(leaf.pooling.parameters(), lr=0.1)
    lp.constrain_after_step(optimizer, leaf)
    _step(optimizer)
    assert torch.equal(leaf.complex_conv.kernel, BEYOND)


def test_each_optimiser_constrains_its_own() -> None:
    """Two models, two optimisers: one's step leaves the other's weights."""
    first, second = _leaf(), _leaf()
    both = nn.ModuleList([first, second])
    optimizers = [torch.optim.Adam(each.parameters(), lr=0.0) for each in both]
    for optimizer in optimizers:
        lp.constrain_after_step(optimizer, both)
    _step(optimizers[0])
    assert torch.equal(first.complex_conv.kernel, WITHIN)
    assert torch.equal(second.complex_conv.kernel, BEYOND)


def test_groups_added_later_are_constrained() -> None:
    leaf = _leaf()
    optimizer = torch.optim.SGD(leaf.pooling.parameters(), lr=0.1)
    lp.constrain_after_step(optimizer, leaf)
    optimizer.add_param_group({"params": list(leaf.complex_conv.parameters())})
    _step(optimizer)
    assert torch.equal(leaf.complex_conv.kernel, WITHIN)


# What is trained

PCEN = {"compress_fn.alpha", "compress_fn.delta", "compress_fn.root", "compress_fn.ema.smooth"}
FILTERS, POOLING, PREEMPHASIS = "complex_conv.kernel", "pooling.kernel", "preemp_conv.kernel"
NORM = {"compress_fn.gamma", "compress_fn.beta"}

TRAINED: list[tuple[Callable[[], nn.Module], set[str]]] = [
    (lambda: lp.Leaf(n_filters=3), {FILTERS, POOLING, *PCEN}),
    (lambda: lp.Leaf(n_filters=3, learn_filters=False), {POOLING, *PCEN}),
    (lambda: lp.Leaf(n_filters=3, learn_pooling=False), {FILTERS, *PCEN}),
    (lambda: lp.Leaf(n_filters=3, preemp=True), {FILTERS, POOLING, PREEMPHASIS, *PCEN}),
    (lambda: lp.Leaf(n_filters=3, preemp=True, learn_filters=False), {POOLING, *PCEN}),
    (lambda: lp.Leaf(n_filters=3, compression_fn=lp.PCEN(3)), {FILTERS, POOLING}),
    (lambda: lp.TimeDomainFilterbanks(n_filters=3), {FILTERS, POOLING}),
    (lambda: lp.TimeDomainFilterbanks(n_filters=3, learn_filters=False), {POOLING}),
    (lambda: lp.SincNet(n_filters=3), {FILTERS, *NORM}),
    (lambda: lp.SincNet(n_filters=3, learn_filters=False), NORM),
    (lambda: lp.SincNetPlus(n_filters=3), {FILTERS, POOLING}),
    (lambda: lp.SincNetPlus(n_filters=3, learn_filters=False, learn_pooling=False), set()),
    (lp.MelFilterbanks, set()),
    (lambda: lp.PCEN(3), set()),
    (lambda: lp.PCEN(3, learn_smooth_coef=True), set()),  # Keras: nothing of an untrainable layer
    (lambda: lp.PCEN(3, trainable=True), {"alpha", "delta", "root"}),
    (
        lambda: lp.PCEN(3, trainable=True, learn_smooth_coef=True),
        {"alpha", "delta", "root", "ema.smooth"},
    ),
    (lambda: lp.ExponentialMovingAverage(3, 0.1), set()),
    (lambda: lp.GaussianLowpass(3, 25), set()),
    (lambda: lp.LearnablePooling1d(3, 25, trainable=True), {"kernel"}),
    (lambda: lp.Conv1d(3, 25, trainable=False), set()),
    (lambda: lp.FFTConv1d(3, 25, trainable=False), set()),
    # The official layers hand ``trainable`` to the kernel alone.
    (lambda: lp.GaborConv1d(4, 25, use_bias=True, trainable=False), {"bias"}),
    (lambda: lp.NormalizedConv1d(4, 25, use_bias=True, trainable=False), {"bias"}),
    (lambda: lp.SincConv1d(4, 25, use_bias=True, trainable=False), {"bias"}),
]


@pytest.mark.parametrize(("make", "expected"), TRAINED)
def test_what_is_trained(make: Callable[[], nn.Module], expected: set[str]) -> None:
    trained = {name for name, w in make().named_parameters() if w.requires_grad}
    assert trained == expected


def test_an_untrained_pcen_still_passes_gradients_on() -> None:
    layer = lp.PCEN(3, learn_smooth_coef=True)
    x = inputs_of("PCEN")[0].requires_grad_()
    assert torch.autograd.grad(layer(x).sum(), x)[0].any()


# Regularisers


def _sum_of_squares(weight: Tensor) -> Tensor:
    return weight.square().sum()


def test_a_frontend_is_regularised_where_it_is_trained() -> None:
    every = lp.Leaf(n_filters=3, preemp=True, regularizer_fn=_sum_of_squares)
    kernels = [layer.kernel for layer in (every.preemp_conv, every.complex_conv, every.pooling)]
    whole = [_sum_of_squares(kernel) for kernel in kernels]
    assert torch.equal(lp.regularization_loss(every), torch.stack(whole).sum())
    filters = lp.Leaf(n_filters=3, preemp=True, learn_pooling=False, regularizer_fn=_sum_of_squares)
    assert torch.equal(lp.regularization_loss(filters), torch.stack(whole[:2]).sum())
    pooling = lp.Leaf(n_filters=3, preemp=True, learn_filters=False, regularizer_fn=_sum_of_squares)
    assert torch.equal(lp.regularization_loss(pooling), whole[2])


def test_nothing_regularised_is_zero() -> None:
    assert lp.regularization_loss(lp.Leaf(n_filters=3)).item() == 0.0


def test_l1_and_l2() -> None:
    """Powers of two: no rounding."""
    weight = torch.tensor([[1.0, -2.0], [4.0, 0.5]])
    assert lp.L1L2(l1=0.5)(weight).item() == 3.75
    assert lp.L1L2(l2=0.25)(weight).item() == 5.3125
    assert lp.L1L2(0.5, 0.25)(weight).item() == 3.75 + 5.3125


def test_regularisation_is_in_the_precision_of_the_weights_and_has_a_gradient() -> None:
    leaf = lp.Leaf(n_filters=3, regularizer_fn=lp.L1L2(l2=0.5)).double()
    loss = lp.regularization_loss(leaf)
    assert loss.dtype == torch.float64
    kernel = leaf.complex_conv.kernel
    assert torch.equal(torch.autograd.grad(loss, kernel)[0], kernel)


def test_the_spectrum_of_an_fft_convolution_is_regularised() -> None:
    """A kernel of one tap has a flat spectrum: 33 bins of a transform of 64 (for 41 samples)."""
    layer = lp.FFTConv1d(1, 1, kernel_initializer=lp.Constant(2.0), kernel_regularizer=lp.L1L2(0.5))
    assert lp.regularization_loss(layer, 41).item() == 0.5 * 2.0 + 0.5 * 33 * 2.0


def test_a_layer_below_a_model_is_regularised() -> None:
    layer = lp.FFTConv1d(1, 1, kernel_initializer=lp.Constant(2.0), kernel_regularizer=lp.L1L2(0.5))
    model = nn.Sequential(nn.Linear(1, 1), nn.Sequential(layer))
    assert torch.equal(lp.regularization_loss(model, 41), lp.regularization_loss(layer, 41))
