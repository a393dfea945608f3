"""Normalisation over the last axis.

Of three values or more: two become +-1 whatever they are, and their gradient is rounding alone.
"""

import dataclasses

from parity import spec
from parity.commands.primitives._common import Primitive
from parity.layers import layer_normalization

# parity/checks/monte_carlo.py measures the rounding of a mean by its result; where values cancel in
# it, float32 rounds by what is added up. With the exact mean the worst elements are 0.2 units off.
_MEANS = "means that nearly cancel: a unit counts their rounding by the result, not by the terms"
_VARIANCE = (
    "TensorFlow adds up a variance one value after another in float32; done so by hand the worst "
    "click is 10.9 units off, with the exact variance 1.1"
)

PRIMITIVE = Primitive(
    dataclasses.replace(
        layer_normalization.SPEC,
        mirrors="tf.keras.layers.LayerNormalization, epsilon 1e-3",
        configs=spec.grid(frames=[1, 20, 101], channels=[3, 5, 64]),
        budget=spec.Budget(
            port=spec.Bound(23, 11.6, _MEANS),
            reference=spec.Bound(24, 12.1, _MEANS),
            port_gradient=spec.Bound(11, 5.91),
            reference_gradient=spec.Bound(24, 12, _VARIANCE),
            measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
        ),
    ),
)
