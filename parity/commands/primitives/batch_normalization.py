"""Normalisation by batch or moving statistics, fused or not; and the moving statistics."""

import dataclasses

from parity import spec
from parity.commands.primitives._common import Primitive
from parity.layers import batch_normalization

# parity/checks/monte_carlo.py measures the rounding of a mean by its result; where values cancel in
# it, float32 rounds by what is added up (of the worst, one by one by hand: 11.3 units).
_MEANS = "means that nearly cancel: a unit counts their rounding by the result, not by the terms"
_SCALAR = "a gradient of one element is one sum, whose terms may cancel"

PRIMITIVE = Primitive(
    dataclasses.replace(
        batch_normalization.SPEC,
        mirrors="tf.keras.layers.BatchNormalization, epsilon 1e-3, momentum 0.99",
        configs=[
            {"rank": rank, "axis": axis, "shape": shape}
            for rank, axis in ((4, 3), (4, 2), (4, 1), (3, 2))
            for shape in ([2, 7, 6, 5], [3, 5, 4, 1], [1, 30, 3, 2], [5, 11, 1, 4])
        ],
        budget=spec.Budget(
            port=spec.Bound(7.8, 3.9),
            reference=spec.Bound(22, 11.3, _MEANS),
            port_gradient=spec.Bound(7.9, 3.99),
            reference_gradient=spec.Bound(15, 7.58),
            relative_gradient=1e-4,
            reason=_SCALAR,
            measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
        ),
    ),
    left_out={
        "infinity": "the mean of a batch with an infinite value is infinite in TensorFlow's plain "
        "form and NaN in torch.var_mean; the variance is NaN in both"
    },
)
