"""Keras' plain convolution: pre-emphasis and time-domain filterbanks."""

from collections.abc import Mapping

import torch

from leaf_port import Conv1d
from parity import spec
from parity.layers._common import keras, normal, uniform, wrong_inputs
from parity.layers._signatures import KERAS_CONVOLUTION, KERAS_LACKS
from parity.oracles.exact import convolution
from parity.spec.random_arrays import Source


def _inputs(config: spec.Config, source: Source) -> dict[str, spec.Array]:
    shape = config.get("batch", 2), config["samples"]
    channels = config.get("channels")
    inputs = source.normal((*shape, channels)) if channels else source.audio(*shape, 1)
    return {"inputs": inputs}


def _weights(config: spec.Config) -> Mapping[str, spec.Weight]:
    weights = {"kernel": spec.Weight("kernel", normal(0.1), random=True)}
    if config["bias"]:
        weights["bias"] = spec.Weight("bias", uniform(-0.5, 0.5))
    return weights


def _exact(given: spec.Given) -> spec.Answer:
    config, weights = given.config, given.weights
    made = convolution.conv1d(
        given.inputs["inputs"], weights["kernel"], config["stride"], config["padding"]
    )
    return spec.exactly(convolution.with_bias(made, weights.get("bias")))


SPEC = spec.LayerSpec(
    name="conv1d",
    mirrors="frontend.py, lines 143-166 (tf.keras.layers.Conv1D)",
    port=lambda config: Conv1d(
        config["filters"],
        config["taps"],
        config["stride"],
        config["padding"],
        config["bias"],
        in_channels=config.get("channels", 1),
    ),
    official=lambda config: keras(
        "layers.Conv1D",
        config["filters"],
        config["taps"],
        strides=config["stride"],
        padding=config["padding"],
        use_bias=config["bias"],
    ),
    configs=[
        *spec.grid(
            samples=[333, 400, 477, 560, 601],
            taps=[2, 101, 200, 25],
            filters=[1, 4, 5],
            stride=[1, 3, 1, 7],
            padding=["SAME", "VALID"],
            bias=[False, True],
        ),
        # Several channels: few taps, which are padded otherwise; a hop beyond the window.
        *spec.grid(
            samples=[31, 12],
            taps=[5, 3],
            filters=[4, 2],
            stride=[1, 5],
            padding=["SAME"],
            bias=[True],
            channels=[3, 2],
            batch=[3, 1],
        ),
    ],
    inputs=_inputs,
    weights=_weights,
    initial=False,
    exact=_exact,
    budget=spec.Budget(
        port=spec.Bound(9.8, 5.107),
        reference=spec.Bound(6.7, 3.987),
        port_gradient=spec.Bound(6.1, 3.562),
        reference_gradient=spec.Bound(5.9, 2.545),
        double=spec.Bound(5, 2.763),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    signatures=(
        spec.Signature(
            Conv1d,
            "tensorflow.keras.layers.Conv1D",
            own={
                **KERAS_CONVOLUTION,
                "in_channels": spec.Own(1, "a waveform; torch is told it, Keras finds it out"),
            },
            lacks={**KERAS_LACKS, "activation": "of the frontends"},
        ),
    ),
    errors=(
        spec.ErrorCase("strides", lambda: Conv1d(1, 2, strides=0)),
        *wrong_inputs(lambda: Conv1d(8, 25)),
        spec.ErrorCase("inputs", lambda: Conv1d(2, 9, padding="valid")(torch.ones(1, 5, 1))),
    ),
)
