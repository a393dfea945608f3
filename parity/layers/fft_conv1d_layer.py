"""The layer that convolves by FFT."""

from collections.abc import Mapping

import torch
from torch import Tensor

from leaf_port import FFTConv1d
from parity import spec
from parity.layers._common import audio, normal, uniform, wrong_inputs
from parity.layers._signatures import ARITHMETIC, KERAS_CONVOLUTION, KERAS_LACKS
from parity.oracles.exact import convolution, fft, models


def _port(config: spec.Config) -> FFTConv1d:
    activation = torch.relu if config["relu"] else None
    return FFTConv1d(
        config["filters"],
        config["taps"],
        config.get("stride", 1),
        padding=config["padding"],
        use_bias=config["bias"],
        activation=activation,
    )


def _weights(config: spec.Config) -> Mapping[str, spec.Weight]:
    weights = {"kernel": spec.Weight("kernel", normal(0.1), random=True)}
    if config["bias"]:
        weights["bias"] = spec.Weight("bias", uniform(-0.5, 0.5))
    return weights


def _without_length() -> Tensor:
    return FFTConv1d(2, 5).frequency_penalty(None)


def _exact(given: spec.Given) -> spec.Answer:
    made = fft.circular(given.inputs["inputs"], given.weights["kernel"])
    made = convolution.with_bias(made, given.weights.get("bias"))
    return spec.exactly(models.relu(made) if given.config["relu"] else made)


SPEC = spec.LayerSpec(
    name="fft_conv1d_layer",
    mirrors="convolution.py, lines 109-130",
    port=_port,
    official=lambda config: spec.Ref("leaf_audio.convolution.FFTConv1D")(
        config["filters"],
        config["taps"],
        strides=config.get("stride", 1),
        padding=config["padding"],
        use_bias=config["bias"],
        activation="relu" if config["relu"] else None,
    ),
    configs=[
        *spec.grid(
            samples=[333, 512, 601],
            taps=[101, 32, 25, 401],
            filters=[4, 3],
            padding=["SAME", "VALID"],
            bias=[False, True],
            relu=[False, True, True],
        ),
        {  # a stride changes nothing
            "samples": 350,
            "taps": 25,
            "filters": 3,
            "padding": "SAME",
            "bias": True,
            "relu": False,
            "stride": 2,
        },
    ],
    inputs=audio,
    weights=_weights,
    initial=False,
    # Not in both arithmetics: behind a ReLU, the gradient of a silent stretch is that of the
    # transform's rounding about zero, even in float64. fft_conv1d runs in both.
    exact=_exact,
    budget=spec.Budget(
        port=spec.Bound(15, 7.964),
        reference=spec.Bound(8, 3.898),
        port_gradient=spec.Bound(11, 5.601),
        reference_gradient=spec.Bound(7.7, 3.871),
        double=spec.Bound(17, 8.711),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    exceptions=spec.Exceptions(official_transform=True),
    signatures=(
        spec.Signature(
            FFTConv1d,
            "leaf_audio.convolution.FFTConv1D",
            own={**KERAS_CONVOLUTION, "arithmetic": ARITHMETIC},
            lacks=KERAS_LACKS,
        ),
    ),
    errors=(
        spec.ErrorCase("arithmetic", lambda: FFTConv1d(2, 5, arithmetic="half")),  # type: ignore[arg-type]
        spec.ErrorCase("num_samples", _without_length),
        spec.ErrorCase("padding", lambda: FFTConv1d(2, 5, padding="causal")),
        *wrong_inputs(lambda: FFTConv1d(2, 5)),
    ),
)
