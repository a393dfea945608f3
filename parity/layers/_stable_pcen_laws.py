"""What ``StablePCEN`` gives, which is not official, against the published formula.

Written apart from ``leaf_port/stable_pcen.py``: in float64 NumPy, frame by frame, with derivatives
by hand. Energies and parameters lie in the ranges of the class, at their ends and far beyond.
"""

from __future__ import annotations

import dataclasses
import inspect
import io
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from unittest import mock

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from leaf_port import PCEN
from leaf_port.errors import LeafError
from leaf_port.stable_pcen import StablePCEN
from parity.spec.random_arrays import Source

Float64 = npt.NDArray[np.float64]

_LEAST_DELTA, _MOST_DELTA = 2.0**-20, 2.0**60
_MOST_ENERGY, _MOST_GAINED, _MOST_GRADIENT = 2.0**100, 2.0**60, 2.0**60
_FLOOR = 1e-12

ALLOWED = 2.0**-36
"""A value comes of some 50 operations, each off by 2^-53. The exponents of a power are up to 2^8,
which multiply the rounding of its logarithm: 2^-53 50 2^8 is 2^-39."""

IN_SINGLE = 2.0**-12
"""The same of float32, whose exponents are up to 2^7: 2^-24 50 2^7 is 2^-11.4, most of it in powers
that torch computes far better than that."""

_LEAST = 2.0**-65  # a share of (g + d)^p below 2^-126 has few digits, and that is up to 2^61

_LOUD = 3e38
_ENERGIES: Sequence[Sequence[float]] = (  # some are beyond their range, and are 0 or 2^100 then
    (0.3, 0.01, 2.0, 0.7, 1e-3),
    (0.0, 0.0, 1e-9, 1e-5, 0.5),
    (-1.0, 0.25, -3.0, 0.5, 1.0),
    (2.0**110, 2.0**95, 2.0**101, 2.0**90, 2.0**99),
    (1e-30, _LOUD, 1e-30, 0.0, 1.0),
    (2.0**10, 2.0**-100, 2.0**30, 0.0, 2.0**20),
)

# alpha, delta, root and smoothing coefficient of a channel.
_PARAMETERS: Sequence[Sequence[float]] = (
    (0.96, 2.0, 2.0, 0.04),
    (0.5, 1e-3, 1.3, 0.3),
    (1.5, 0.5, 0.5, 0.5),
    (-0.5, 10.0, 14.0, 0.9),
    (0.1, 2.0**59, 3.0, -0.2),
    (0.3, 2.0**70, 2.0, 1.2),
    (0.7, 2.0**-21, 4.0, 0.02),
    (0.98, -0.5, 1.5, 0.1),
    (0.02, 1.0, 2.5, 0.0625),
)

_STEEP = (0.9, 2.0, 0.75, -0.1)
"""A channel whose average stays at its first frame: next to silence its slope is the steepest."""

_SILENT_FIRST = (0.0, 2.0**20, 2.0**17, 2.0**-3, 0.0)


@dataclasses.dataclass(frozen=True)
class _Asked:
    """Energies of ``(clips, frames, channels)``, with parameters of ``(channels,)``."""

    x: Float64
    parameters: Float64  # (channels, 4)
    weight: Float64  # of each output in the sum whose gradient is asked for


@dataclasses.dataclass(frozen=True)
class _Value:
    """What the formula gives, and how large the terms are that it is a sum of."""

    value: Float64
    size: Float64


def _of(value: Float64) -> _Value:
    return _Value(value, np.abs(value))


def _asked() -> _Asked:
    """Every row of energies with every parameter; the other clip is of usual ones."""
    columns = [(row, each) for row in _ENERGIES for each in _PARAMETERS]
    columns.append((_SILENT_FIRST, _STEEP))
    extreme = np.array([row for row, _ in columns]).T
    usual = Source(1).uniform(extreme.shape, 0.01, 1.0).astype(np.float64)
    x = np.stack([extreme, usual])
    weight = Source(2).uniform(x.shape, 0.5, 1.0).astype(np.float64)
    return _Asked(x, np.array([each for _, each in columns]), weight)


def _inside(value: Float64, low: float, high: float) -> tuple[Float64, Float64]:
    """The nearest value in a range, and whether the value itself is in it."""
    return np.clip(value, low, high), ((low <= value) & (value <= high)).astype(np.float64)


def _smoothed(x: Float64, share: Float64) -> Float64:
    """``m[t] = w x[t] + (1 - w) m[t - 1]`` from the first frame."""
    made, state = np.empty_like(x), x[:, 0]
    for t in range(x.shape[1]):
        state = share * x[:, t] + (1.0 - share) * state
        made[:, t] = state
    return made


def _formula(asked: _Asked, bounded: bool = True) -> dict[str, _Value]:
    """Outputs, and the gradient of their weighed sum by everything; the latter bounded or not.

    ``y = (g + d)^p - d^p`` as ``d^p (exp(p ln(1 + g / d)) - 1)``, in which nothing cancels.
    """
    alpha, delta, root, smooth = asked.parameters.T
    x, in_x = _inside(asked.x, 0.0, _MOST_ENERGY)
    w, in_w = _inside(smooth, 0.0, 1.0)
    a, in_a = _inside(alpha, 0.0, 1.0)
    d, in_d = _inside(delta, _LEAST_DELTA, _MOST_DELTA)
    r, in_r = _inside(root, 1.0, np.inf)
    p, m = 1.0 / r, _smoothed(x, w)
    u = _FLOOR + m
    gained = x * u**-a
    g, in_g = _inside(gained, 0.0, _MOST_GAINED)
    steps = np.log1p(g / d)
    y = d**p * np.expm1(p * steps)
    by_g = asked.weight * p * (g + d) ** (p - 1.0) * in_g
    by_p = asked.weight * d**p * (np.expm1(p * steps) * np.log(d) + np.exp(p * steps) * steps)
    by_d, terms = np.expm1((p - 1.0) * steps), np.exp((p - 1.0) * steps) + 1.0
    by_d, terms = (asked.weight * p * d ** (p - 1.0) * each for each in (by_d, terms))
    by_m = by_g * -a * gained / u
    if bounded:
        most = _MOST_GRADIENT / np.maximum(x.max(axis=1, keepdims=True), _FLOOR)
        by_m = np.clip(by_m, -most, most)
    by_x, by_w = _through_average(x, m, w, by_m)
    return {
        "output": _of(y),
        "inputs": _of((by_x + by_g * u**-a) * in_x),
        "alpha": _of((by_g * -gained * np.log(u)).sum((0, 1)) * in_a),
        "delta": _Value(by_d.sum((0, 1)) * in_d, terms.sum((0, 1)) * in_d),
        "root": _of(by_p.sum((0, 1)) * -(p**2) * in_r),
        "ema.smooth": _of(by_w * in_w),
    }


def _through_average(x: Float64, m: Float64, w: Float64, by_m: Float64) -> tuple[Float64, Float64]:
    """The gradient by energies and by the coefficient, of the one by averages."""
    by_x, by_w, later = np.zeros_like(x), np.zeros_like(w), np.zeros_like(x[:, 0])
    for t in reversed(range(x.shape[1])):
        later = by_m[:, t] + (1.0 - w) * later
        by_x[:, t] += w * later
        before = m[:, t - 1] if t else x[:, 0]
        by_w += (later * (x[:, t] - before)).sum(0)
    by_x[:, 0] += (1.0 - w) * later
    return by_x, by_w


def _layer(asked: _Asked) -> StablePCEN:
    channels = len(asked.parameters)
    layer = StablePCEN(channels, 0.96, 0.04, 2.0, 2.0, _FLOOR, True, True, True).double()
    with torch.no_grad():
        for name, column in zip(_NAMES, asked.parameters.T, strict=True):
            layer.get_parameter(name).copy_(torch.from_numpy(column.copy()))
    return layer


_NAMES = ("alpha", "delta", "root", "ema.smooth")


def _found(asked: _Asked, call: Callable[[StablePCEN, Tensor], Tensor]) -> dict[str, Float64]:
    """The port's outputs and gradients."""
    layer, x = _layer(asked), torch.from_numpy(asked.x).requires_grad_()
    y = call(layer, x)
    held = {"inputs": x, **dict(layer.named_parameters())}
    found = torch.autograd.grad((y * torch.from_numpy(asked.weight)).sum(), [*held.values()])
    gradients = {name: each.numpy() for name, each in zip(held, found, strict=True)}
    return {"output": y.detach().numpy(), **gradients}


def _off(
    found: Mapping[str, Float64],
    wanted: Mapping[str, _Value],
    allowed: float = ALLOWED,
    least: float = 0.0,
) -> Iterator[str]:
    """What is further off than rounding."""
    for name, got in found.items():
        expected = wanted[name]
        wrong = ~(np.abs(got - expected.value) <= allowed * expected.size + least)
        if wrong.any():
            at = tuple(int(each[0]) for each in np.nonzero(wrong))
            yield f"{name}{list(at)} is {got[at]:.17g}, not {expected.value[at]:.17g}"


def as_published() -> str:
    """Outputs and gradients in all ranges, far beyond them, and where the slope is bounded."""
    asked = _asked()
    wanted = _formula(asked)
    for how, call in (("", _plain), (" by vmap", _mapped)):
        for problem in _off(_found(asked, call), wanted):
            return f"{problem}{how}"
    return ""


def _plain(layer: StablePCEN, x: Tensor) -> Tensor:
    y: Tensor = layer(x)
    return y


def _mapped(layer: StablePCEN, x: Tensor) -> Tensor:
    """Clip by clip, as vmap has it."""
    y: Tensor = torch.func.vmap(lambda clip: layer(clip[None])[0])(x)
    return y


def in_graphs() -> str:
    """A graph that is compiled or traced has no bound, and the traced one can be saved."""
    asked = _asked()
    wanted = _formula(asked, bounded=False)
    with mock.patch.object(torch.compiler, "is_compiling", return_value=True):
        compiled = _found(asked, _plain)
    for how, found in (("compiled", compiled), ("traced", _found(asked, _traced))):
        for problem in _off(found, wanted):
            return f"{how}, {problem}"
    return ""


def _traced(layer: StablePCEN, x: Tensor) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated
        graph = torch.jit.trace(layer, x.detach(), check_trace=False)
        torch.jit.save(graph, io.BytesIO())
    y: Tensor = graph(x)
    return y


def forward_mode() -> str:
    """The derivative along a direction is that of the gradient, where nothing is bounded."""
    usual = _asked().x[1:, :, :8]
    layer = _layer(_Asked(usual, np.array(_PARAMETERS[:8]), usual))
    x, along = torch.from_numpy(usual), torch.from_numpy(usual[:, ::-1].copy())
    slope = torch.func.jvp(layer, (x,), (along,))[1]
    with torch.autograd.forward_ad.dual_level():
        dual = layer(torch.autograd.forward_ad.make_dual(x, along))
        other_way = torch.autograd.forward_ad.unpack_dual(dual).tangent
    if other_way is None or not torch.equal(other_way, slope):
        return "torch.autograd.forward_ad tells another one than torch.func.jvp"
    by_x = torch.func.grad(lambda x: (layer(x) * x.detach()).sum())(x)
    one, other = ((a * b).sum().item() for a, b in ((slope, x), (by_x, along)))
    return "" if abs(one - other) <= ALLOWED * abs(one) else f"{one:.17g} and {other:.17g}"


def second_derivative() -> str:
    """The bound of a slope is a constant: beyond it the slope's own slope is 0, up to it and at it
    nothing is bounded.
    """
    layer, x = StablePCEN(1).double(), torch.full((1, 3, 1), 2.0).double().requires_grad_()
    average = torch.ones(1, 3, 1, dtype=torch.float64, requires_grad=True)
    steep = (layer._bounded(average, x) * 2.0**70).square().sum()
    (slope,) = torch.autograd.grad(steep, average, create_graph=True)
    if not bool((slope == _MOST_GRADIENT / 2.0).all()):
        return f"a slope is {slope.flatten().tolist()}"
    found = torch.autograd.grad(slope.sum(), (average, x), allow_unused=True)
    kept = [each for each in found if each is not None and bool(each.any())]
    if kept:
        return f"a bounded slope has a slope of {kept}"
    limit = _MOST_GRADIENT / 2.0
    weights = torch.tensor([[[limit], [-limit], [0.5 * limit]]], dtype=torch.float64)
    weights.requires_grad_()
    steep = (layer._bounded(average, x) * weights).sum()
    (slope,) = torch.autograd.grad(steep, average, create_graph=True)
    (passed,) = torch.autograd.grad(slope.sum(), weights)
    if not bool((passed == 1.0).all()):
        return f"slopes of {slope.flatten().tolist()} are taken for bounded: {passed.flatten()}"
    return ""


def in_single() -> str:
    """In float32 the outputs are those, NaN in frames of NaN alone, and all gradients finite."""
    asked = _asked()
    rounded = [each.astype(np.float32).astype(np.float64) for each in (asked.x, asked.parameters)]
    asked = _Asked(rounded[0], rounded[1], asked.weight)
    layer, x = _layer(asked).float(), torch.from_numpy(asked.x).float().requires_grad_()
    y = layer(x)
    found = {"output": y.detach().double().numpy()}
    for problem in _off(found, _formula(asked), IN_SINGLE, _LEAST):
        return problem
    y.sum().backward()
    for name, each in {"inputs": x, **dict(layer.named_parameters())}.items():
        if each.grad is None or not bool(torch.isfinite(each.grad).all()):
            return f"the gradient of {name} is not finite"
    return ""


def not_a_number() -> str:
    """NaN stays NaN, in its channel and from its frame on; infinity is the loudest energy."""
    x = torch.ones(1, 4, 2)
    x[0, 1, 0] = math.nan
    y = StablePCEN(2, learn_smooth_coef=True)(x)
    if y.isnan().tolist() != [[[False, False], *[[True, False]] * 3]]:
        return f"of {x.tolist()} it makes {y.tolist()}"
    infinite, loudest = (StablePCEN(1)(torch.tensor([[[1.0], [v]]])) for v in (math.inf, 2.0**100))
    return "" if torch.equal(infinite, loudest) else "infinity is another energy than 2^100"


_WRONG: Sequence[tuple[str, float]] = (
    ("smooth_coef", 1.5),
    ("smooth_coef", -0.5),
    ("smooth_coef", math.nan),
    ("floor", 0.0),
    ("floor", 0.9e-12),
    ("floor", math.nan),
)


def as_its_base() -> str:
    """It takes the same arguments as the official one, has the same weights, and refuses more."""
    if inspect.signature(StablePCEN) != inspect.signature(PCEN):
        return "it takes other arguments"
    for name, value in _WRONG:
        try:
            StablePCEN(3, **{name: value})  # type: ignore[arg-type]
        except LeafError as error:
            if (error.owner, error.argument) != ("StablePCEN", name):
                return f"of {name}={value} it tells: {error}"
        else:
            return f"it takes {name}={value}"
    for edge in ({"smooth_coef": 0.0}, {"smooth_coef": 1.0}, {"floor": 1e-12}):
        StablePCEN(3, **edge)  # type: ignore[arg-type]
    return ""
