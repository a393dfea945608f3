"""Convolution by FFT over segments."""

import torch

from leaf_port import overlap_add_conv1d
from parity.oracles.exact import fft
from parity.spec import Bound, Budget, ErrorCase, LayerSpec, Ref, exactly, grid

SPEC = LayerSpec(
    name="overlap_add_conv1d",
    mirrors="convolution.py, lines 69-106",
    port=lambda config: lambda x, h: overlap_add_conv1d(x, h, config["fft"]),
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
    exact=lambda given: exactly(
        fft.overlap_add(given.inputs["inputs"], given.inputs["filters"], given.config["fft"])
    ),
    budget=Budget(
        forward=4.2,
        gradient=3.2,
        port=Bound(0.26, 0.13),
        reference=Bound(4.1, 2.05),
        port_gradient=Bound(0.34, 0.166),
        reference_gradient=Bound(3.2, 1.56),
        worst="2.1, 1.6 units; 1.4e-05, 1.6e-05 relative; torch 2.13.0, TF 2.13.1",
    ),
    errors=(
        ErrorCase(
            "fft_length", lambda: overlap_add_conv1d(torch.ones(1, 9, 1), torch.ones(9, 1, 1), 8)
        ),
        ErrorCase("filters", lambda: overlap_add_conv1d(torch.ones(1, 9, 1), torch.ones(9))),
    ),
)
