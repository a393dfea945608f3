"""Gabor wavelets from time, centre and width."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from leaf_port import impulse_responses
from parity import spec
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
    errors=(spec.ErrorCase("fwhm", lambda: _with_widths(2)),),
    arithmetics=("complex", "real"),
)
