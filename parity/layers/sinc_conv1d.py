"""Convolution with windowed sinc band-passes."""

from collections.abc import Mapping, Sequence

from leaf_port import SincConv1d
from parity import spec
from parity.layers._common import audio, convolution_arguments, sinc_kernel, uniform, wrong_inputs
from parity.layers._signatures import CONVOLUTION, INPUT_SHAPE
from parity.oracles.exact import convolution, sinc
from parity.spec.random_arrays import Source


def _port(config: spec.Config) -> SincConv1d:
    return SincConv1d(
        filters=config["filters"],
        kernel_size=config["taps"],
        strides=config["stride"],
        padding=config["padding"],
        use_bias=config["bias"],
        sample_rate=config["rate"],
    )


def _kernel(source: Source, shape: Sequence[int], config: spec.Config) -> spec.Array:
    kernel = sinc_kernel(source, shape, config)
    if config.get("crossed"):  # lower edges above half the rate, where the upper ones are clipped
        kernel[:, 0] = source.uniform((shape[0],), 4100.0, 6000.0)
    return kernel


def _weights(config: spec.Config) -> Mapping[str, spec.Weight]:
    weights = {"kernel": spec.Weight("kernel", _kernel, random=True)}
    if config["bias"]:
        weights["bias"] = spec.Weight("bias", uniform(-0.5, 0.5), random=True)
    return weights


def _exact(given: spec.Given) -> spec.Answer:
    config, weights = given.config, given.weights
    taps = sinc.taps(weights["kernel"], config["taps"], config["rate"])
    made = convolution.conv1d(given.inputs["inputs"], taps, config["stride"], config["padding"])
    return spec.exactly(convolution.with_bias(made, weights.get("bias")))


SPEC = spec.LayerSpec(
    name="sinc_conv1d",
    mirrors="convolution.py, lines 246-304",
    port=_port,
    official=lambda config: spec.Ref("leaf_audio.convolution.SincConv1D")(
        **convolution_arguments(config), sample_rate=config["rate"]
    ),
    configs=[
        *spec.grid(
            samples=[333, 400, 477, 560, 601],
            taps=[101, 25, 401],
            filters=[8, 2, 5],
            stride=[1, 3, 1, 7],
            padding=["SAME", "VALID"],
            bias=[False, True],
            rate=[16000, 16000, 8000],
        ),
        {
            "samples": 350,
            "taps": 101,
            "filters": 6,
            "stride": 2,
            "padding": "SAME",
            "bias": False,
            "rate": 8000,
            "crossed": True,
        },
    ],
    inputs=audio,
    weights=_weights,
    initial=False,
    exact=_exact,
    budget=spec.Budget(
        port=spec.Bound(7.6, 3.878),
        reference=spec.Bound(7.6, 3.878),
        port_gradient=spec.Bound(6.4, 4.246),
        reference_gradient=spec.Bound(6.4, 4.246),
        double=spec.Bound(5.8, 4.702),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    signatures=(
        spec.Signature(
            SincConv1d, "leaf_audio.convolution.SincConv1D", own=CONVOLUTION, lacks=INPUT_SHAPE
        ),
    ),
    errors=(
        spec.ErrorCase("kernel_size", lambda: SincConv1d(8, 200)),
        spec.ErrorCase("kernel_size", lambda: SincConv1d(8, 1)),
        spec.ErrorCase("sample_rate", lambda: SincConv1d(8, 201, sample_rate=-1), "builds it"),
        *wrong_inputs(lambda: SincConv1d(8, 25)),
    ),
)
