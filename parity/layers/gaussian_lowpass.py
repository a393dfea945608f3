"""Gaussian windows of a size, from their widths."""

import numpy as np
import torch

from leaf_port import impulse_responses
from parity import spec
from parity.layers._common import faint
from parity.oracles.exact import gaussian
from parity.spec.random_arrays import Source


def _inputs(config: spec.Config, source: Source) -> dict[str, spec.Array]:
    sigma = source.uniform((1, 1, config["channels"], 1), -0.05, 0.6)  # bounds: 2 / taps, 0.5
    if config.get("ties"):  # the whole gradient passes
        sigma[0, 0, 0, 0] = 0.5
        lower = 2.0 / config["taps"]
        if float(np.float32(lower)) == lower:  # else float64 sees no tie
            sigma[0, 0, 1:2, 0] = lower
    return {"sigma": sigma}


def _ties(config: spec.Config) -> dict[str, spec.Array]:
    mask = np.zeros((1, 1, config["channels"], 1), bool)
    lower = 2.0 / config["taps"]
    mask[0, 0, : 1 + (float(np.float32(lower)) == lower), 0] = True
    return {"input/sigma": mask} if config.get("ties") else {}


def _without_faint() -> str:
    """Faint taps are zero."""
    for dtype in (torch.float32, torch.float64):
        narrow = torch.zeros(1, 1, 2, 1, dtype=dtype)
        if problem := faint(impulse_responses.gaussian_lowpass(narrow, 401)):
            return problem
    return ""


def _faintest() -> str:
    """Exactly what is below the smallest tap is zero."""
    for dtype, smallest in ((torch.float32, 1e-30), (torch.float64, 1e-300)):
        sizes = torch.tensor([0.999, 1.0, 1.001], dtype=torch.float64) * smallest
        taps = torch.cat([sizes, -sizes]).to(dtype)
        kept = impulse_responses._without_denormals(taps) != 0
        if kept.tolist() != [False, True, True] * 2:
            return f"in {dtype} of {taps.tolist()} are kept {kept.tolist()}"
    return ""


SPEC = spec.LayerSpec(
    name="gaussian_lowpass",
    mirrors="impulse_responses.py, lines 104-119",
    port=lambda config: lambda sigma: impulse_responses.gaussian_lowpass(sigma, config["taps"]),
    official=lambda config: spec.Ref("functools.partial")(
        spec.Ref("leaf_audio.impulse_responses.gaussian_lowpass"), filter_size=config["taps"]
    ),
    configs=[
        *spec.grid(taps=[2, 3, 64, 401, 402], channels=[1, 7, 40]),
        {"taps": 64, "channels": 5, "ties": True},
    ],
    inputs=_inputs,
    differentiable=("sigma",),
    exceptions=spec.Exceptions(
        ties=_ties,
    ),
    exact=lambda given: spec.exactly(gaussian.lowpass(given.inputs["sigma"], given.config["taps"])),
    budget=spec.Budget(
        port=spec.Bound(5, 2.222),
        reference=spec.Bound(5, 2.07),
        port_gradient=spec.Bound(5, 0.698),
        reference_gradient=spec.Bound(5, 1.637),
        double=spec.Bound(5, 1.34),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    signatures=(
        spec.Signature(
            impulse_responses.gaussian_lowpass, "leaf_audio.impulse_responses.gaussian_lowpass"
        ),
    ),
    laws=(spec.Law("faint taps", _without_faint), spec.Law("the faintest tap", _faintest)),
    errors=(
        spec.ErrorCase(
            "filter_size", lambda: impulse_responses.gaussian_lowpass(torch.ones(1, 1, 3, 1), 1)
        ),
        spec.ErrorCase(
            "filter_size", lambda: impulse_responses.gaussian_lowpass(torch.ones(1, 1, 3, 1), 0)
        ),
        spec.ErrorCase("sigma", lambda: impulse_responses.gaussian_lowpass(torch.ones(3), 5)),
    ),
)
