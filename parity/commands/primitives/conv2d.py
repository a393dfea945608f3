"""A convolution of a map that keeps its size."""

import torch

from leaf_port._model_layers import conv2d
from leaf_port.models import ConvBlock
from parity import spec
from parity.commands.primitives._common import Primitive, normal_map
from parity.layers._common import keras
from parity.layers._models import channels_last, walk
from parity.oracles.exact import convolution


def _port(config: spec.Config) -> torch.nn.Conv2d:
    return conv2d(config["channels"], 3, (config["rows"], config["columns"]), False)


PRIMITIVE = Primitive(
    spec.LayerSpec(
        name="conv2d",
        mirrors="tf.keras.layers.Conv2D, padding SAME",
        port=_port,
        official=lambda config: keras(
            "layers.Conv2D", 3, [config["rows"], config["columns"]], padding="same", use_bias=False
        ),
        configs=spec.grid(
            frames=[1, 8, 30],
            filters=[1, 5, 20],
            channels=[1, 4],
            rows=[1, 3, 5],
            columns=[3, 1, 5],
        ),
        sampling=spec.Sampling(
            sizes=("frames", "filters", "channels"),
        ),
        inputs=normal_map,
        weights=lambda config: walk(_port(config)),
        initial=False,
        call=channels_last,
        exact=lambda given: spec.exactly(
            convolution.conv2d(given.inputs["inputs"], given.weights["kernel"])
        ),
        budget=spec.Budget(
            port=spec.Bound(15, 7.58),
            reference=spec.Bound(15, 7.58),
            port_gradient=spec.Bound(17, 8.8),
            reference_gradient=spec.Bound(17, 8.8),
            measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
        ),
        errors=(spec.ErrorCase("num_filters", lambda: ConvBlock(0, in_channels=1)),),
    ),
)
