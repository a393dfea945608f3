"""Keras' plain convolution: pre-emphasis and time-domain filterbanks."""

from collections.abc import Mapping

import torch

from leaf_port import Conv1d
from parity.layers._common import audio, keras, normal, uniform, wrong_inputs
from parity.oracles.exact import convolution
from parity.spec import (
    Answer,
    Bound,
    Budget,
    Config,
    ErrorCase,
    Given,
    LayerSpec,
    Weight,
    exactly,
    grid,
)


def _weights(config: Config) -> Mapping[str, Weight]:
    weights = {"kernel": Weight("kernel", normal(0.1), random=True)}
    if config["bias"]:
        weights["bias"] = Weight("bias", uniform(-0.5, 0.5))
    return weights


def _exact(given: Given) -> Answer:
    config, weights = given.config, given.weights
    made = convolution.conv1d(
        given.inputs["inputs"], weights["kernel"], config["stride"], config["padding"]
    )
    return exactly(convolution.with_bias(made, weights.get("bias")))


SPEC = LayerSpec(
    name="conv1d",
    mirrors="frontend.py, lines 143-166 (tf.keras.layers.Conv1D)",
    port=lambda config: Conv1d(
        config["filters"], config["taps"], config["stride"], config["padding"], config["bias"]
    ),
    official=lambda config: keras(
        "layers.Conv1D",
        config["filters"],
        config["taps"],
        strides=config["stride"],
        padding=config["padding"],
        use_bias=config["bias"],
    ),
    configs=grid(
        samples=[333, 400, 477, 560, 601],
        taps=[2, 101, 200, 25],
        filters=[1, 4, 5],
        stride=[1, 3, 1, 7],
        padding=["SAME", "VALID"],
        bias=[False, True],
    ),
    inputs=audio,
    weights=_weights,
    initial=False,
    exact=_exact,
    budget=Budget(
        port=Bound(9.8, 5.3),
        reference=Bound(6.7, 3.987),
        port_gradient=Bound(6.1, 3.018),
        reference_gradient=Bound(5.9, 2.945),
        double=Bound(5, 2.537),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    errors=(
        ErrorCase("strides", lambda: Conv1d(1, 2, strides=0)),
        *wrong_inputs(lambda: Conv1d(8, 25)),
        ErrorCase("inputs", lambda: Conv1d(2, 9, padding="valid")(torch.ones(1, 5, 1))),
    ),
)
