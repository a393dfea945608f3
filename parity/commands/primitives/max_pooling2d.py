"""Maximum over windows laid end to end; many values are equal."""

import torch

from leaf_port._model_layers import MaxPool
from parity import spec
from parity.commands.primitives._common import FLUSHED, Primitive, coarse, normal_map
from parity.layers._common import keras
from parity.layers._models import channels_last
from parity.oracles.exact import pooling

_EXACT = "it chooses elements and rounds nothing"

PRIMITIVE = Primitive(
    spec.LayerSpec(
        name="max_pooling2d",
        mirrors="tf.keras.layers.MaxPool2D",
        port=lambda _: MaxPool("max_pooling2d", (2, 2)),
        official=lambda _: keras("layers.MaxPool2D"),
        configs=spec.grid(frames=[2, 9, 40], filters=[2, 7, 20], channels=[1, 4]),
        inputs=lambda config, source: coarse(normal_map(config, source)),
        call=channels_last,
        exact=lambda given: spec.exactly(pooling.maximum_2d(given.inputs["inputs"])),
        budget=spec.Budget(
            port=spec.Bound(0, 0, _EXACT),
            reference=spec.Bound(0, 0, _EXACT),
            measured="0, 0 units; torch 2.13.0, TF 2.13.1 and 2.21.0",
        ),
        errors=(spec.ErrorCase("inputs", lambda: MaxPool("here", (2, 2))(torch.ones(1, 1, 1, 4))),),
    ),
    left_out={
        "nan": "TensorFlow may drop a NaN under a maximum; the port keeps it",
        "denormal": FLUSHED.format("is a tie"),
    },
)
