"""The checker of derivatives finds a wrong one of each kind, and an exception that does not apply.

A square that is wrong in one place stands for a layer; each healthy control differs in that alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from parity.checks.derivatives import chosen, derived
from parity.checks.derivatives.derived import Derived
from parity.checks.derivatives.rounding import total
from parity.layers import all_specs
from parity.spec import Exceptions, LayerSpec
from parity.spec.without_derivative import FORWARD, KINDS, MAPPED, NOTHING, SECOND, Without, nothing

SPECS = all_specs()

# torch's own, where it takes forward derivatives.
pytestmark = pytest.mark.filterwarnings(
    r"ignore:.torch\.jit\.\w+. is deprecated:DeprecationWarning"
)


class _Square(torch.autograd.Function):
    """``x^2``, right in every way."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x * x

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], _output: Tensor) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, of_y: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return 2.0 * x * of_y

    @staticmethod
    def jvp(ctx: Any, change: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return 2.0 * x * change


class _WrongForwards(_Square):
    """One element in forward mode off by a millionth."""

    @staticmethod
    def jvp(ctx: Any, change: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        off = torch.zeros_like(x)
        off[0, 0, 0] = 1e-6
        return 2.0 * x * change * (1.0 + off)


class _CutOff(_Square):
    """A first gradient without a second one by ``x``."""

    @staticmethod
    def backward(ctx: Any, of_y: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return 2.0 * x.detach() * of_y


class _Mixed(_Square):
    """Each sample given the next one's answer where many are asked at once."""

    generate_vmap_rule = False

    @staticmethod
    def vmap(_info: Any, _dims: Any, x: Tensor) -> tuple[Tensor, int]:
        return (x * x).roll(1, 0), 0


def _like(function: Callable[[Tensor], Tensor], *without: Without) -> LayerSpec:
    """A declaration of one input and no weights, with another function for a port."""
    return dataclasses.replace(
        SPECS["log_compression"],
        port=lambda _config: function,
        exceptions=Exceptions(without=without),
    )


def _found(spec: LayerSpec) -> dict[str, Derived]:
    return {each.kind: each for each in derived.derived(spec)}


def _problems(spec: LayerSpec) -> dict[str, str]:
    return {kind: each.problem for kind, each in _found(spec).items() if each.problem}


def test_right_derivatives_have_no_problem() -> None:
    """And every kind is asked."""
    found = _found(_like(_Square.apply))
    assert tuple(found) == KINDS
    assert not any(each.problem or each.without for each in found.values())


@pytest.mark.parametrize(
    ("wrong", "kind", "told"),
    [
        (_WrongForwards, FORWARD, "by forward mode"),
        (_CutOff, SECOND, "by differences of the first gradient"),
        (_Mixed, MAPPED, "output/0 of sample 0, inputs"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_a_wrong_derivative_is_found(wrong: type[_Square], kind: str, told: str) -> None:
    """By its kind, with the array's name."""
    problem = _problems(_like(wrong.apply))[kind]
    assert told in problem
    assert wrong is _Mixed or "input/inputs" in problem


def test_gradients_of_samples_that_mix_are_found() -> None:
    """Where the outputs are right."""

    class Mixed(_Square):
        @staticmethod
        def backward(ctx: Any, of_y: Tensor) -> Tensor:
            return _Times.apply(2.0 * ctx.saved_tensors[0], of_y)

    class _Times(torch.autograd.Function):
        @staticmethod
        def forward(a: Tensor, b: Tensor) -> Tensor:
            return a * b

        @staticmethod
        def setup_context(_ctx: Any, _inputs: Any, _output: Any) -> None: ...

        @staticmethod
        def vmap(_info: Any, _dims: Any, a: Tensor, b: Tensor) -> tuple[Tensor, int]:
            return (a * b).roll(1, 0), 0

    assert "input/inputs of sample 0" in _problems(_like(Mixed.apply))[MAPPED]


class _FirstWeight(torch.autograd.Function):
    """``x w`` with the first sample's weight for all where many are asked at once."""

    @staticmethod
    def forward(x: Tensor, w: Tensor) -> Tensor:
        return x * w

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], _output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, of_y: Tensor) -> tuple[Tensor, Tensor]:
        x, w = ctx.saved_tensors
        return of_y * w, (of_y * x).sum_to_size(w.shape)

    @staticmethod
    def vmap(info: Any, dims: Any, x: Tensor, w: Tensor) -> tuple[Tensor, int]:
        each = x.expand(info.batch_size, *x.shape) if dims[0] is None else x
        return each * (w if dims[1] is None else w[0]), 0


def test_weights_are_stacked_too() -> None:
    """With inputs that are shared, and with inputs of their own."""
    squared = SPECS["exponential_moving_average"]

    def call(layer: Any, inputs: Tensor, _state: Tensor) -> Tensor:
        return _FirstWeight.apply(inputs, layer.smooth)

    spec = dataclasses.replace(squared, call=call, differentiable=("inputs",))
    assert "weights stacked" in _problems(spec)[MAPPED]


def test_nothing_that_is_compared_is_a_problem() -> None:
    """Of what has no gradient at all, or next to none."""
    told = "nothing beyond rounding to compare"
    assert all(told in each for each in _problems(_like(lambda x: x.detach() + 1.0)).values())
    assert set(_problems(_like(lambda x: x.detach() + 1.0))) == set(KINDS)
    integers = dataclasses.replace(_like(_Square.apply), differentiable=())
    assert all(NOTHING in problem for problem in _problems(integers).values())


def test_an_exception_is_a_problem() -> None:
    """Told with its kind and text."""

    class NoRule(_Square):
        generate_vmap_rule = False

    problem = _problems(_like(NoRule.apply))[MAPPED]
    assert "raised RuntimeError: " in problem
    assert "does not have vmap support" in problem


def test_what_is_declared_not_to_be_had() -> None:
    """Is no problem and no derivative."""
    found = _found(_like(_CutOff.apply, Without((SECOND,), "differences", "it can't be had")))
    assert (found[SECOND].problem, found[SECOND].without) == ("", "it can't be had")
    assert not found[FORWARD].without


@pytest.mark.parametrize(
    ("function", "entry", "told"),
    [
        (_Square, Without(KINDS, "differences", "why"), "declared to be without it (why), but has"),
        (_CutOff, Without((SECOND,), "another text", "why"), "for 'another text', but "),
        (
            _Square,
            Without((SECOND,), "differences", "why", lambda _config: False),
            "no case that is asked is",
        ),
        (_Square, nothing("why"), "but has it"),
    ],
    ids=["it has it", "another failure", "no such case", "it has something"],
)
def test_a_declared_exception_that_does_not_apply_fails(
    function: type[_Square], entry: Without, told: str
) -> None:
    """As a strict expected failure."""
    assert told in _problems(_like(function.apply, entry))[SECOND]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Without(("third order",), "told", "why"),
        lambda: Without(KINDS, "", "why"),
        lambda: Without(KINDS, "told", ""),
    ],
)
def test_an_exception_without_its_reason_is_refused(wrong: Callable[[], Without]) -> None:
    """Or of a kind that is not asked."""
    with pytest.raises(ValueError, match="derivative"):
        wrong()


def test_every_choice_of_a_layer_is_asked() -> None:
    """Of the activations all names, of what is trained both modes, of arithmetics each."""

    def names(layer: str) -> Sequence[str]:
        return [asked.name for asked in chosen.chosen(SPECS[layer])]

    assert len(names("activations")) == len(SPECS["activations"].configs)
    assert sum("training" in name for name in names("batch_normalization")) == 1
    assert {name.split()[-1] for name in names("gabor_conv1d")} == {"complex", "real"}


def test_a_sum_that_cancels_tells_nothing() -> None:
    """What float32 makes of it is more than it is."""
    double, single = torch.tensor([1e-13]).double(), torch.tensor([6e-8])
    assert not total(double, single, torch.ones(1).double()).tells
    assert total(double + 1.0, single + 1.0, torch.ones(1).double()).tells
