"""Normalisation over time.

Of four frames or more: two become +-1 whatever they are, and their gradient is rounding alone.
"""

import dataclasses

from parity import spec
from parity.commands.primitives._common import Primitive
from parity.layers import instance_normalization

_VARIANCE = (
    "TensorFlow adds up a variance one value after another in float32; done so by hand the worst "
    "click is 10.4 units off, with the exact variance 0.6"
)

PRIMITIVE = Primitive(
    dataclasses.replace(
        instance_normalization.SPEC,
        mirrors="tensorflow_addons.layers.InstanceNormalization, epsilon 1e-6",
        configs=spec.grid(frames=[4, 20, 101], channels=[1, 2, 40]),
        budget=spec.Budget(
            port=spec.Bound(8.9, 4.48),
            reference=spec.Bound(20, 10.4, _VARIANCE),
            port_gradient=spec.Bound(11, 5.4),
            reference_gradient=spec.Bound(31, 15.5, _VARIANCE),
            measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
        ),
    ),
)
