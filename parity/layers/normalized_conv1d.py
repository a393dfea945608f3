"""Convolution with filters of unit norm."""

from collections.abc import Mapping

from leaf_port import NormalizedConv1d
from parity import spec
from parity.layers._common import audio, convolution_arguments, normal, uniform, wrong_inputs
from parity.layers._signatures import CONVOLUTION, INPUT_SHAPE
from parity.oracles.exact import convolution, normalisation


def _weights(config: spec.Config) -> Mapping[str, spec.Weight]:
    deviation = config.get("deviation", 0.1)
    weights = {"kernel": spec.Weight("kernel", normal(deviation), random=True)}
    if config["bias"]:
        weights["bias"] = spec.Weight("bias", uniform(-0.5, 0.5), random=True)
    return weights


def _exact(given: spec.Given) -> spec.Answer:
    config, weights = given.config, given.weights
    kernel = normalisation.unit_norm(weights["kernel"])
    made = convolution.conv1d(given.inputs["inputs"], kernel, config["stride"], config["padding"])
    return spec.exactly(convolution.with_bias(made, weights.get("bias")))


SPEC = spec.LayerSpec(
    name="normalized_conv1d",
    mirrors="convolution.py, lines 207-243",
    port=lambda config: NormalizedConv1d(
        config["filters"], config["taps"], config["stride"], config["padding"], config["bias"]
    ),
    official=lambda config: spec.Ref("leaf_audio.convolution.NormalizedConv1D")(
        **convolution_arguments(config)
    ),
    configs=[
        *spec.grid(
            samples=[333, 400, 477, 560],
            taps=[101, 200, 25],
            filters=[4, 1, 5],
            stride=[1, 3, 1, 7],
            padding=["SAME", "VALID"],
            bias=[False, True],
        ),
        {  # as short as the constraint's epsilon, which is then not far from a norm of 1
            "samples": 350,
            "taps": 25,
            "filters": 3,
            "stride": 1,
            "padding": "SAME",
            "bias": False,
            "deviation": 1e-8,
        },
    ],
    inputs=audio,
    weights=_weights,
    initial=False,
    exact=_exact,
    budget=spec.Budget(
        port=spec.Bound(7.2, 3.627),
        reference=spec.Bound(7, 4.157),
        port_gradient=spec.Bound(5.1, 3.662),
        reference_gradient=spec.Bound(5.1, 2.616),
        double=spec.Bound(7.2, 4.996),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    signatures=(
        spec.Signature(
            NormalizedConv1d,
            "leaf_audio.convolution.NormalizedConv1D",
            own=CONVOLUTION,
            lacks=INPUT_SHAPE,
        ),
    ),
    errors=(
        spec.ErrorCase("filters", lambda: NormalizedConv1d(0, 5)),
        *wrong_inputs(lambda: NormalizedConv1d(8, 25)),
    ),
)
