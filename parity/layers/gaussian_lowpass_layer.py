"""Pooling with a Gaussian window for each channel."""

from leaf_port import GaussianLowpass
from parity.layers._common import uniform, wrong_inputs
from parity.oracles.exact import pooling
from parity.source import Source
from parity.spec import (
    Answer,
    Array,
    Bound,
    Budget,
    Config,
    ErrorCase,
    Given,
    LayerSpec,
    Ref,
    Weight,
    exactly,
    grid,
)


def _inputs(config: Config, source: Source) -> dict[str, Array]:
    return {"inputs": source.normal((2, config["frames"], config["channels"])) ** 2}


def _arguments(config: Config) -> dict[str, object]:
    return {
        "kernel_size": config["taps"],
        "strides": config["stride"],
        "padding": config["padding"],
    }


def _exact(given: Given) -> Answer:
    config, sigma = given.config, given.weights["kernel"]
    geometry = config["taps"], config["stride"], config["padding"]
    return exactly(pooling.gaussian_lowpass(given.inputs["inputs"], sigma, *geometry))


_SUMS = (
    "float32 adds up 401 products one after another, here and there; a unit counts a sum "
    "as one rounding (added so by hand they are 13 units off)"
)

SPEC = LayerSpec(
    name="gaussian_lowpass_layer",
    mirrors="pooling.py, lines 109-155",
    port=lambda config: GaussianLowpass(config["channels"], **_arguments(config)),  # type: ignore[arg-type]
    official=lambda config: Ref("leaf_audio.pooling.GaussianLowpass")(**_arguments(config)),
    configs=[
        *grid(
            frames=[400, 477, 560, 641, 401, 719],
            taps=[101, 64, 25, 401],
            channels=[1, 4, 3],
            stride=[80, 1, 7, 33],
            padding=["same", "SAME", "valid"],
        ),
        {"frames": 560, "taps": 25, "channels": 3, "stride": 80, "padding": "SAME"},
    ],
    inputs=_inputs,
    weights=lambda _: {"kernel": Weight("kernel", uniform(-0.05, 0.6), random=True)},
    initial=False,
    exact=_exact,
    budget=Budget(
        port=Bound(6.8, 3.358),
        reference=Bound(6.8, 3.358),
        port_gradient=Bound(5.2, 2.566),
        reference_gradient=Bound(5.6, 2.754),
        double=Bound(5.2, 2.583),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    errors=(
        ErrorCase("num_channels", lambda: GaussianLowpass(0, 5)),
        ErrorCase("kernel_size", lambda: GaussianLowpass(1, 0)),
        ErrorCase("padding", lambda: GaussianLowpass(1, 5, padding="full")),
        *wrong_inputs(lambda: GaussianLowpass(3, 25), 3),
    ),
)
