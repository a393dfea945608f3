"""Circular convolution by FFT, and the L1 norm of the filters' spectrum."""

import functools

import torch

from leaf_port import fft_conv1d
from leaf_port._ops.fft_convolution import upper_power_of_2
from parity import spec
from parity.layers import _device_laws, _transform_laws
from parity.layers._reasons import BOTH_ROUND, MATRIX_FOURIER, TENSORFLOW_FFT
from parity.layers._signatures import ARITHMETIC
from parity.oracles.exact import fft


def _unanswered(case: spec.Case) -> str:
    """Taps beyond the transform are dropped by both; the official gradient then fails."""
    beyond = case.config["taps"] > upper_power_of_2(case.config["samples"])
    return "the gradient of tf.signal.rfft fails where it crops" if beyond else ""


SPEC = spec.LayerSpec(
    name="fft_conv1d",
    mirrors="convolution.py, lines 33-66",
    port=lambda config: functools.partial(
        fft_conv1d, arithmetic=config.get("arithmetic", "complex")
    ),
    official=lambda _: spec.Ref("leaf_audio.convolution.fft_conv1d"),
    configs=spec.grid(
        samples=[2, 256, 257, 500, 1000, 1024], taps=[1, 32, 101, 401], filters=[1, 4, 3]
    ),
    inputs=lambda config, source: {
        "inputs": source.audio(config.get("batch", 2), config["samples"], 1),
        "filters": source.normal((config["taps"], 1, config["filters"]), 0.1),
    },
    differentiable=("inputs", "filters"),
    exact=lambda given: spec.exactly(
        fft.circular(given.inputs["inputs"], given.inputs["filters"]),
        fft.spectrum_norm(given.inputs["filters"], given.config["samples"]),
    ),
    sampling=spec.Sampling(
        unanswered=_unanswered,
    ),
    arithmetics=("complex", "real"),
    budget=spec.Budget(
        port=spec.Bound(14, 7.286),
        reference=spec.Bound(8.7, 4.451),
        port_gradient=spec.Bound(10, 5.184),
        reference_gradient=spec.Bound(22, 11.36, TENSORFLOW_FFT),
        double=spec.Bound(26, 14.696, MATRIX_FOURIER),
        norm=10,
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
        reason=BOTH_ROUND,
    ),
    exceptions=spec.Exceptions(
        official_transform=True,
        adverse=spec.Budget(
            port=spec.Bound(11, 5.459),
            reference=spec.Bound(7, 2.818),
            port_gradient=spec.Bound(9.7, 5.531),
            reference_gradient=spec.Bound(9, 4.341),
            measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
        ),
    ),
    signatures=(
        spec.Signature(
            fft_conv1d, "leaf_audio.convolution.fft_conv1d", own={"arithmetic": ARITHMETIC}
        ),
        spec.Signature(upper_power_of_2, "leaf_audio.convolution.upper_power_of_2"),
    ),
    laws=(
        spec.Law("norms at edges", _transform_laws.norm),
        spec.Law("derivatives forwards at infinities", _transform_laws.forwards),
        spec.Law("gradients under autocast", _transform_laws.under_autocast),
        spec.Law("transforms of all factors", _transform_laws.sizes),
        spec.Law("tables of transforms", _transform_laws.tables),
        spec.Law("the table of devices", _device_laws.told),
        spec.Law("torch's own magnitude", _device_laws.torchs_magnitude),
    ),
    errors=(
        spec.ErrorCase(
            "inputs", lambda: fft_conv1d(torch.ones(1, 9, 1), torch.ones(3, 1, 1).double()), "fails"
        ),
        spec.ErrorCase(
            "filters",
            lambda: fft_conv1d(torch.ones(1, 9, 1), [[[1.0]]]),  # type: ignore[arg-type]
            "converts it",
        ),
        spec.ErrorCase(
            "filters", lambda: fft_conv1d(torch.ones(1, 9, 1), torch.ones(3, 1, 1).half())
        ),
        spec.ErrorCase("filters", lambda: fft_conv1d(torch.ones(1, 9, 1), torch.ones(3, 1, 0))),
        spec.ErrorCase(
            "arithmetic",
            lambda: fft_conv1d(torch.ones(1, 9, 1), torch.ones(3, 1, 2), "half"),  # type: ignore[arg-type]
        ),
        spec.ErrorCase("inputs", lambda: fft_conv1d(torch.ones(1, 1, 1), torch.ones(3, 1, 2))),
        spec.ErrorCase(
            "inputs", lambda: fft_conv1d(torch.ones(1, 9, 2), torch.ones(3, 1, 2)), "odd"
        ),
        *(
            spec.ErrorCase("filters", functools.partial(fft_conv1d, torch.ones(1, 9, 1), filters))
            for filters in (torch.ones(3, 2), torch.ones(3, 2, 2), torch.ones(0, 1, 2))
        ),
    ),
)
