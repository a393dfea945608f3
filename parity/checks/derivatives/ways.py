"""The ways to the derivatives of a layer: reverse mode, forward mode, one over the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.autograd import forward_ad

from parity.checks.derivatives.function import Function, Values


def _leaves(f: Function) -> Values:
    return {name: f.values[name].clone().requires_grad_() for name in f.watched}


def _grad(of: Tensor, by: Mapping[str, Tensor], create_graph: bool = False) -> Values:
    """Gradients by name; zero of what is not in the graph."""
    if not of.requires_grad or not by:
        return {name: torch.zeros_like(value) for name, value in by.items()}
    wanted = list(by.values())
    found = torch.autograd.grad(of, wanted, create_graph=create_graph, allow_unused=True)
    return {
        name: torch.zeros_like(value) if one is None else one
        for (name, value), one in zip(by.items(), found, strict=True)
    }


def _dual(values: Mapping[str, Tensor], along: Values) -> Values:
    return {
        name: forward_ad.make_dual(value, along[name].to(value.dtype)) if name in along else value
        for name, value in values.items()
    }


def _tangent(dual: Tensor) -> Tensor:
    """The derivative that a dual number carries; zero where it carries none."""
    primal, tangent = forward_ad.unpack_dual(dual)
    return torch.zeros_like(primal) if tangent is None else tangent


def _inner(some: Sequence[Tensor], others: Sequence[Tensor]) -> Tensor:
    return torch.stack([(a * b).sum() for a, b in zip(some, others, strict=True)]).sum()


def reverse(f: Function) -> Values:
    """``v J`` by name, of the outputs' cotangents ``v``."""
    leaves = _leaves(f)
    outputs = f(leaves)
    return _grad(_inner(outputs, f.cotangents(outputs)), leaves)


def forward(f: Function, along: Values) -> list[Tensor]:
    """``J u``, an array an output."""
    with forward_ad.dual_level(), torch.no_grad():
        own = {name: f.values[name] for name in along}
        return [_tangent(output) for output in f(_dual(own, along))]


def gradient(f: Function, moved: Mapping[str, Tensor]) -> Values:
    """That of the loss where some values are moved."""
    leaves = {
        name: (value + moved[name] if name in moved else value).detach().requires_grad_()
        for name, value in _leaves(f).items()
    }
    return _grad(f.loss(f(leaves)), leaves)


def reverse_over_reverse(f: Function, along: Values) -> Values:
    """``H u`` by name, of the loss's second derivatives ``H``: the gradient of a gradient."""
    leaves = _leaves(f)
    first = _grad(f.loss(f(leaves)), leaves, create_graph=True)
    names = list(along)
    slope = _inner([first[n] for n in names], [along[n].to(first[n].dtype) for n in names])
    return _grad(slope, leaves)


def forward_over_reverse(f: Function, along: Values) -> Values:
    """The same as the derivative of a gradient in forward mode."""
    with forward_ad.dual_level():
        duals = _dual(_leaves(f), along)
        return {n: _tangent(g).detach() for n, g in _grad(f.loss(f(duals)), duals).items()}
