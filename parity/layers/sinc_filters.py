"""Sinc band-passes of a size, from their edges."""

import numpy as np
import torch

from leaf_port import impulse_responses
from parity import spec
from parity.oracles.exact import sinc
from parity.spec.random_arrays import Source


def _inputs(config: spec.Config, source: Source) -> dict[str, spec.Array]:
    low = source.uniform((1, config["filters"]), 50.0, 6000.0)
    width = source.uniform((1, config["filters"]), 50.0, 2000.0)
    # A clipped upper edge can lie below the lower one: the greatest tap is then not the middle.
    high = low * np.float32(0.6) if config.get("crossed") else low + width
    return {"cutoff_freq_low": low, "cutoff_freq_high": high}


SPEC = spec.LayerSpec(
    name="sinc_filters",
    mirrors="impulse_responses.py, lines 60-101",
    port=lambda config: (
        lambda low, high: impulse_responses.sinc_filters(low, high, config["taps"], config["rate"])
    ),
    official=lambda config: spec.Ref("functools.partial")(
        spec.Ref("leaf_audio.impulse_responses.sinc_filters"),
        size=config["taps"],
        sample_rate=config["rate"],
    ),
    configs=[
        *spec.grid(taps=[3, 64, 201, 401], filters=[1, 7, 5, 40], rate=[16000, 24000]),
        {"taps": 101, "filters": 6, "rate": 16000, "crossed": True},
    ],
    inputs=_inputs,
    sampling=spec.Sampling(edges=[{"taps": 2, "filters": 3, "rate": 16000}]),
    differentiable=("cutoff_freq_low", "cutoff_freq_high"),
    exact=lambda given: spec.exactly(
        sinc.filters(
            given.inputs["cutoff_freq_low"],
            given.inputs["cutoff_freq_high"],
            given.config["taps"],
            given.config["rate"],
        )
    ),
    budget=spec.Budget(
        port=spec.Bound(6.5, 4.917),
        reference=spec.Bound(6.5, 4.706),
        port_gradient=spec.Bound(5.6, 3.443),
        reference_gradient=spec.Bound(5.5, 3.481),
        double=spec.Bound(5, 0.307),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    signatures=(
        spec.Signature(impulse_responses.sinc_filters, "leaf_audio.impulse_responses.sinc_filters"),
    ),
    errors=(
        spec.ErrorCase(
            "size", lambda: impulse_responses.sinc_filters(torch.ones(1, 3), torch.ones(1, 3), 0)
        ),
        spec.ErrorCase(
            "size",
            lambda: impulse_responses.sinc_filters(torch.ones(1, 3), torch.ones(1, 3), 1),
            "gives a single tap",
        ),
        spec.ErrorCase(
            "cutoff_freq_high",
            lambda: impulse_responses.sinc_filters(torch.ones(1, 3), torch.ones(1, 2), 5),
        ),
    ),
)
