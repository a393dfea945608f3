"""The unit norm of filters."""

import torch

from leaf_port import NormalizedConv1d
from leaf_port.constraints import UnitNorm
from parity import spec
from parity.layers._common import keras
from parity.oracles.exact import normalisation
from parity.spec.random_arrays import Source


def _axes() -> str:
    """Any axis, or several, over which the norm is 1."""
    kernel = torch.from_numpy(Source(1).normal((3, 4, 5))).double()
    for axis in (0, 1, 2, -1, (0, 1), (1, 2), (0, 1, 2)):
        norms = UnitNorm(axis)(kernel).square().sum(axis, keepdim=True).sqrt()
        size = kernel.square().sum(axis, keepdim=True).sqrt()
        order = 2.0**-46  # two sums of up to 60 squares: some hundred roundings of 2^-53
        if not torch.allclose(norms, size / (size + 1e-7), rtol=order, atol=0):
            return f"over {axis} the norms are {norms.flatten().tolist()}"
    return ""


SPEC = spec.LayerSpec(
    name="unit_norm",
    mirrors="convolution.py, line 231 (tf.keras.constraints.UnitNorm)",
    port=lambda _: UnitNorm(axis=0),
    official=lambda _: keras("constraints.UnitNorm", axis=0),
    configs=spec.grid(taps=[1, 64, 401], filters=[1, 7, 40], scale=[1.0, 1e-8, 1e4]),
    inputs=lambda config, source: {
        "kernel": source.normal((config["taps"], 1, config["filters"]), config["scale"])
    },
    differentiable=("kernel",),
    exact=lambda given: spec.exactly(normalisation.unit_norm(given.inputs["kernel"])),
    budget=spec.Budget(
        port=spec.Bound(5, 2.063),
        reference=spec.Bound(5.1, 2.893),
        port_gradient=spec.Bound(5, 2.127),
        reference_gradient=spec.Bound(5.5, 3.877),
        double=spec.Bound(5, 3.014),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    signatures=(spec.Signature(UnitNorm, "tensorflow.keras.constraints.UnitNorm"),),
    laws=(spec.Law("any axes", _axes),),
    errors=(spec.ErrorCase("kernel_size", lambda: NormalizedConv1d(3, 0)),),
)
