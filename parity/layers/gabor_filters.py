"""Gabor filters of a size, from the kernel of a layer."""

from collections.abc import Callable
from typing import Any

import torch

from leaf_port import impulse_responses
from parity import spec
from parity.layers._common import gabor_kernel
from parity.oracles.exact import gabor


def _port(config: spec.Config) -> Callable[..., Any]:
    real = config.get("arithmetic") == "real"
    function = impulse_responses.gabor_filters_real if real else impulse_responses.gabor_filters
    return lambda kernel: function(kernel, config["taps"])


SPEC = spec.LayerSpec(
    name="gabor_filters",
    mirrors="impulse_responses.py, lines 40-52",
    port=_port,
    official=lambda config: spec.Ref("functools.partial")(
        spec.Ref("leaf_audio.impulse_responses.gabor_filters"), size=config["taps"]
    ),
    configs=spec.grid(taps=[1, 2, 16, 201, 401, 402], filters=[1, 7, 5, 40]),
    inputs=lambda config, source: {"kernel": gabor_kernel(source, (config["filters"], 2), config)},
    differentiable=("kernel",),
    exact=lambda given: spec.exactly(gabor.filters(given.inputs["kernel"], given.config["taps"])),
    budget=spec.Budget(
        port=spec.Bound(5, 2.807),
        reference=spec.Bound(5, 2.437),
        port_gradient=spec.Bound(5, 2.021),
        reference_gradient=spec.Bound(5, 1.893),
        double=spec.Bound(5.6, 3.641),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    signatures=(
        spec.Signature(
            impulse_responses.gabor_filters, "leaf_audio.impulse_responses.gabor_filters"
        ),
        spec.Signature(
            impulse_responses.gabor_filters_real, "leaf_audio.impulse_responses.gabor_filters"
        ),
    ),
    errors=(
        spec.ErrorCase("size", lambda: impulse_responses.gabor_filters(torch.ones(3, 2), 0)),
        spec.ErrorCase("kernel", lambda: impulse_responses.gabor_filters(torch.ones(3), 5)),
    ),
    arithmetics=("complex", "real"),
)
