"""Convolution by FFT over segments."""

import functools

import torch

from leaf_port import overlap_add_conv1d
from parity.oracles.exact import fft
from parity.spec import Bound, Budget, ErrorCase, LayerSpec, Ref, exactly, grid

SPEC = LayerSpec(
    name="overlap_add_conv1d",
    mirrors="convolution.py, lines 69-106",
    port=lambda config: functools.partial(
        overlap_add_conv1d,
        fft_length=config["fft"],
        arithmetic=config.get("arithmetic", "complex"),
    ),
    official=lambda config: Ref("functools.partial")(
        Ref("leaf_audio.convolution.overlap_add_conv1d"), fft_length=config["fft"]
    ),
    configs=grid(
        samples=[2, 333, 500, 1000, 1024],
        taps=[1, 32, 101],
        filters=[1, 4, 3],
        fft=[128, 512, 4096],
    ),
    inputs=lambda config, source: {
        "inputs": source.audio(2, config["samples"], 1),
        "filters": source.normal((config["taps"], 1, config["filters"]), 0.1),
    },
    differentiable=("inputs", "filters"),
    arithmetics=("complex", "real"),
    exact=lambda given: exactly(
        fft.overlap_add(given.inputs["inputs"], given.inputs["filters"], given.config["fft"])
    ),
    budget=Budget(
        port=Bound(5, 0.285),
        reference=Bound(12, 5.846),
        port_gradient=Bound(5, 0.21),
        reference_gradient=Bound(8.6, 5.921),
        double=Bound(5, 0.217),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    errors=(
        ErrorCase(
            "arithmetic",
            lambda: overlap_add_conv1d(torch.ones(1, 9, 1), torch.ones(3, 1, 1), 8, "half"),  # type: ignore[arg-type]
        ),
        ErrorCase(
            "fft_length", lambda: overlap_add_conv1d(torch.ones(1, 9, 1), torch.ones(9, 1, 1), 8)
        ),
        ErrorCase("filters", lambda: overlap_add_conv1d(torch.ones(1, 9, 1), torch.ones(9))),
    ),
)
