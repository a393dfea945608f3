"""Convolution by FFT over segments."""

import functools

import torch

from leaf_port import overlap_add_conv1d
from parity import spec
from parity.layers._reasons import BOTH_ROUND, MATRIX_FOURIER, TENSORFLOW_FFT
from parity.layers._signatures import ARITHMETIC
from parity.oracles.exact import fft


def _of_two() -> str:
    """The shortest transform is taken, and gives what the exact oracle does.

    A transform of two numbers rounds each less than four times, and none is beyond 54 here:
    ``2 4 54 2^-24`` is less than 2^-15.
    """
    x, taps = torch.arange(1.0, 10.0)[None, :, None], torch.tensor([[[2.0, -3.0]]])
    expected = torch.from_numpy(fft.overlap_add(x.double().numpy(), taps.double().numpy(), 2))
    for arithmetic in ("complex", "real"):
        apart = (overlap_add_conv1d(x, taps, 2, arithmetic) - expected).abs().max().item()
        if not apart < 2.0**-15:
            return f"{arithmetic}: {apart:.3g} off"
    return ""


class _Convolution(torch.nn.Module):
    """By segments of 12 samples."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return overlap_add_conv1d(inputs, torch.ones(5, 1, 1), 16, "real")


def _of_one_segment() -> str:
    """A graph takes any clip that is no longer than a segment, and knows that it is no longer."""
    layer, free = _Convolution(), ({1: torch.export.Dim("time", min=1, max=12)},)
    graph = torch.export.export(layer, (torch.ones(1, 7, 1),), dynamic_shapes=free).module()
    for samples in (1, 12):
        if not torch.equal(graph(torch.ones(1, samples, 1)), layer(torch.ones(1, samples, 1))):
            return f"{samples} samples are answered otherwise"
    return ""


SPEC = spec.LayerSpec(
    name="overlap_add_conv1d",
    mirrors="convolution.py, lines 69-106",
    port=lambda config: functools.partial(
        overlap_add_conv1d,
        fft_length=config["fft"],
        arithmetic=config.get("arithmetic", "complex"),
    ),
    official=lambda config: spec.Ref("functools.partial")(
        spec.Ref("leaf_audio.convolution.overlap_add_conv1d"), fft_length=config["fft"]
    ),
    configs=[
        *spec.grid(
            samples=[2, 333, 500, 1000, 1024],
            taps=[1, 32, 101],
            filters=[1, 4, 3],
            fft=[128, 512, 4096],
        ),
        # Odd transforms, which come back a sample shorter; one that is no power of two.
        {"samples": 51, "taps": 8, "filters": 3, "fft": 17, "batch": 1},
        {"samples": 50, "taps": 1, "filters": 1, "fft": 15, "batch": 3},
        {"samples": 23, "taps": 6, "filters": 2, "fft": 12, "batch": 3},
    ],
    inputs=lambda config, source: {
        "inputs": source.audio(config.get("batch", 2), config["samples"], 1),
        "filters": source.normal((config["taps"], 1, config["filters"]), 0.1),
    },
    differentiable=("inputs", "filters"),
    sampling=spec.Sampling(
        edges=[
            {"samples": 9, "taps": 4, "filters": 2, "fft": 4},  # segments of one sample
            {"samples": 24, "taps": 1, "filters": 2, "fft": 8},  # whole segments of one tap
        ]
    ),
    arithmetics=("complex", "real"),
    exact=lambda given: spec.exactly(
        fft.overlap_add(given.inputs["inputs"], given.inputs["filters"], given.config["fft"])
    ),
    budget=spec.Budget(
        port=spec.Bound(14, 7.174),
        reference=spec.Bound(28, 13.983, TENSORFLOW_FFT),
        port_gradient=spec.Bound(11, 5.627),
        reference_gradient=spec.Bound(15, 7.289),
        double=spec.Bound(80, 37.092, MATRIX_FOURIER),
        norm=10,
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
        reason=BOTH_ROUND,
    ),
    exceptions=spec.Exceptions(official_transform=True),
    signatures=(
        spec.Signature(
            overlap_add_conv1d,
            "leaf_audio.convolution.overlap_add_conv1d",
            own={"arithmetic": ARITHMETIC},
        ),
    ),
    laws=(
        spec.Law("a transform of two", _of_two),
        spec.Law("a graph of a segment", _of_one_segment),
    ),
    errors=(
        spec.ErrorCase(
            "arithmetic",
            lambda: overlap_add_conv1d(torch.ones(1, 9, 1), torch.ones(3, 1, 1), 8, "half"),  # type: ignore[arg-type]
        ),
        spec.ErrorCase(
            "fft_length", lambda: overlap_add_conv1d(torch.ones(1, 9, 1), torch.ones(9, 1, 1), 8)
        ),
        spec.ErrorCase(
            "fft_length", lambda: overlap_add_conv1d(torch.ones(1, 9, 1), torch.ones(1, 1, 1), 3)
        ),
        spec.ErrorCase("filters", lambda: overlap_add_conv1d(torch.ones(1, 9, 1), torch.ones(9))),
        spec.ErrorCase(
            "inputs",
            lambda: overlap_add_conv1d(torch.ones(1, 9, 1), torch.ones(3, 1, 1).double()),
            "fails",
        ),
        spec.ErrorCase(
            "fft_length", lambda: overlap_add_conv1d(torch.ones(1, 9, 1), torch.ones(1, 1, 1), 1)
        ),
    ),
)
