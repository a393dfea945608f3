"""Gabor wavelets from time, centre and width."""

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from leaf_port import impulse_responses
from parity import spec
from parity.layers._common import faint
from parity.oracles.exact import gabor
from parity.spec.random_arrays import Source


def _port(config: spec.Config) -> Callable[..., Any]:
    if config.get("arithmetic") == "real":
        return impulse_responses.gabor_impulse_response_real
    return impulse_responses.gabor_impulse_response


def _inputs(config: spec.Config, source: Source) -> dict[str, spec.Array]:
    taps, filters = config["taps"], config["filters"]
    return {
        "t": np.arange(-(taps // 2), (taps + 1) // 2, dtype=np.float32),
        "center": source.uniform((filters,), 0.0, 3.14159),
        "fwhm": source.uniform((filters,), 1.5, 0.4 * taps),
    }


def _with_widths(count: int) -> Any:
    time, ones = torch.arange(5.0), torch.ones
    return impulse_responses.gabor_impulse_response(time, ones(3), ones(count))


def _without_faint() -> str:
    """Faint taps are zero, and have the gradient that they would have."""
    ways = (
        impulse_responses.gabor_impulse_response,
        impulse_responses.gabor_impulse_response_real,
    )
    for way, dtype in itertools.product(ways, (torch.float32, torch.float64)):
        t = torch.arange(-200.0, 201.0, dtype=dtype)
        center = torch.zeros(2, dtype=dtype, requires_grad=True)
        taps = way(t, center, torch.tensor([3.0, 40.0], dtype=dtype))
        pairs = torch.view_as_real(taps) if taps.is_complex() else taps
        if problem := faint(pairs.detach()):
            return problem
        (pairs[1, :, 1] * t.sign()).sum().backward()  # imaginary parts, which are all zero
        gradient, wanted = center.grad, (pairs[1, :, 0] * t.abs()).sum()
        rounding = len(t) * torch.finfo(dtype).eps  # of either sum of numbers of one sign
        if gradient is None or not abs(gradient[1] - wanted) <= rounding * wanted:
            return f"zeros have a gradient of {gradient}, not {wanted}"
    return ""


def _type() -> str:
    """Complex numbers are as wide as time is, whatever the centre frequencies are."""
    center = torch.ones(3, dtype=torch.float64)
    taps = impulse_responses.gabor_impulse_response(torch.arange(5.0), center, torch.ones(3))
    return "" if taps.dtype == torch.complex64 else f"{taps.dtype}"


def _wrong_arguments() -> Iterator[tuple[str, Callable[[], Tensor]]]:
    """Each of the three with an axis too many, in either arithmetic."""
    right = {"t": torch.arange(5.0), "center": torch.ones(3), "fwhm": torch.ones(3)}
    for way in (
        impulse_responses.gabor_impulse_response,
        impulse_responses.gabor_impulse_response_real,
    ):
        for name, value in right.items():
            yield name, functools.partial(way, **{**right, name: value[:, None]})


SPEC = spec.LayerSpec(
    name="gabor_impulse_response",
    mirrors="impulse_responses.py, lines 26-37",
    port=_port,
    official=lambda _: spec.Ref("leaf_audio.impulse_responses.gabor_impulse_response"),
    configs=spec.grid(taps=[5, 64, 401, 801], filters=[1, 7, 5, 3]),
    inputs=_inputs,
    differentiable=("center", "fwhm"),
    exact=lambda given: spec.exactly(gabor.impulse_response(*given.inputs.values())),
    budget=spec.Budget(
        port=spec.Bound(5, 2.592),
        reference=spec.Bound(5, 2.174),
        port_gradient=spec.Bound(5, 1.081),
        reference_gradient=spec.Bound(5, 1.066),
        double=spec.Bound(5.3, 3.034),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    signatures=(
        spec.Signature(
            impulse_responses.gabor_impulse_response,
            "leaf_audio.impulse_responses.gabor_impulse_response",
        ),
        spec.Signature(
            impulse_responses.gabor_impulse_response_real,
            "leaf_audio.impulse_responses.gabor_impulse_response",
        ),
    ),
    laws=(spec.Law("faint taps", _without_faint), spec.Law("as wide as time", _type)),
    errors=(
        spec.ErrorCase("fwhm", lambda: _with_widths(2)),
        *(spec.ErrorCase(*each) for each in _wrong_arguments()),
    ),
    arithmetics=("complex", "real"),
)
