"""Pooling with a learnable window for each channel."""

from leaf_port import ChannelWiseLearnablePooling1d
from parity import spec
from parity.layers._common import uniform, wrong_inputs
from parity.layers._signatures import POOLING
from parity.oracles.exact import pooling
from parity.spec.random_arrays import Source


def _inputs(config: spec.Config, source: Source) -> dict[str, spec.Array]:
    return {
        "inputs": source.normal((config.get("batch", 2), config["frames"], config["channels"])) ** 2
    }


def _arguments(config: spec.Config) -> dict[str, object]:
    return {
        "kernel_size": config["taps"],
        "strides": config["stride"],
        "padding": config["padding"],
    }


SPEC = spec.LayerSpec(
    name="channel_wise_learnable_pooling1d",
    mirrors="pooling.py, lines 67-106",
    port=lambda config: ChannelWiseLearnablePooling1d(config["channels"], **_arguments(config)),  # type: ignore[arg-type]
    official=lambda config: spec.Ref("leaf_audio.pooling.ChannelWiseLearnablePooling1D")(
        **_arguments(config)
    ),
    configs=[
        *spec.grid(
            frames=[400, 477, 560, 641, 401, 719],
            taps=[101, 64, 25, 401],
            channels=[1, 4, 3],
            stride=[80, 1, 7, 33],
            padding=["SAME", "VALID"],
        ),
        {"frames": 560, "taps": 25, "channels": 3, "stride": 80, "padding": "SAME"},
    ],
    inputs=_inputs,
    weights=lambda _: {"kernel": spec.Weight("kernel", uniform(-0.1, 0.5), random=True)},
    initial=False,
    exact=lambda given: spec.exactly(
        pooling.channel_wise(
            given.inputs["inputs"],
            given.weights["kernel"],
            given.config["stride"],
            given.config["padding"],
        )
    ),
    budget=spec.Budget(
        port=spec.Bound(8, 3.439),
        reference=spec.Bound(8, 3.351),
        port_gradient=spec.Bound(6, 3.785),
        reference_gradient=spec.Bound(7.5, 3.304),
        double=spec.Bound(5, 2.546),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    signatures=(
        spec.Signature(
            ChannelWiseLearnablePooling1d,
            "leaf_audio.pooling.ChannelWiseLearnablePooling1D",
            own=POOLING,
        ),
    ),
    errors=(
        spec.ErrorCase("num_channels", lambda: ChannelWiseLearnablePooling1d(0, 5)),
        spec.ErrorCase("kernel_size", lambda: ChannelWiseLearnablePooling1d(1, 0)),
        spec.ErrorCase("padding", lambda: ChannelWiseLearnablePooling1d(1, 5, padding="full")),
        *wrong_inputs(lambda: ChannelWiseLearnablePooling1d(3, 25), 3),
    ),
)
