"""Keras' activations by their names."""

import dataclasses

from parity import spec
from parity.commands.primitives._common import FLUSHED, Primitive
from parity.layers import activations

PRIMITIVE = Primitive(
    dataclasses.replace(
        activations.SPEC,
        budget=spec.Budget(
            port=spec.Bound(6.7, 3.37),
            reference=spec.Bound(7.3, 3.68),
            port_gradient=spec.Bound(9.9, 4.96),
            reference_gradient=spec.Bound(11, 5.7),
            measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
        ),
    ),
    left_out={
        "denormal": FLUSHED.format("is a corner"),
        **dict.fromkeys(
            ("nan", "infinity"),
            "slopes at NaN and the softmax of what is not finite are each library's own: "
            "TensorFlow's relu stops the gradient of a NaN, torch's passes it",
        ),
    },
)
