"""The greatest value of a map; equal ones share the gradient."""

import torch

from leaf_port._model_layers import GlobalMaxPool2d
from parity import spec
from parity.commands.primitives._common import (
    FLUSHED,
    Primitive,
    coarse,
    given_arguments,
    normal_map,
)

_EXACT = "it chooses elements and rounds nothing"

PRIMITIVE = Primitive(
    spec.LayerSpec(
        name="reduce_max",
        mirrors="tf.reduce_max",
        port=lambda config: GlobalMaxPool2d(config["channels"]),
        official=lambda _: given_arguments("reduce_max", axis=[1, 2]),
        configs=spec.grid(frames=[1, 9, 20], filters=[1, 7, 20], channels=[1, 4]),
        inputs=lambda config, source: coarse(normal_map(config, source), 1.0),
        call=lambda layer, inputs: layer(inputs.permute(0, 3, 1, 2)),
        exact=lambda given: spec.exactly(given.inputs["inputs"].max(axis=(1, 2))),
        budget=spec.Budget(
            port=spec.Bound(0, 0, _EXACT),
            reference=spec.Bound(0, 0, _EXACT),
            port_gradient=spec.Bound(5, 0.958),
            reference_gradient=spec.Bound(5, 1.73),
            measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
        ),
        errors=(spec.ErrorCase("inputs", lambda: GlobalMaxPool2d(3)(torch.ones(1, 2, 4, 4))),),
    ),
    left_out={"denormal": FLUSHED.format("is a tie")},
)
