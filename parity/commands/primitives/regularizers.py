"""Keras' L1 and L2 penalties."""

import numpy as np

from leaf_port import L1L2
from parity import spec
from parity.commands.primitives._common import FLUSHED, Primitive
from parity.layers._common import keras
from parity.spec.random_arrays import Source


def _factors(config: spec.Config) -> dict[str, float]:
    """In thousandths; not both zero, where Keras gives no gradient at all."""
    return {"l1": config["l1"] / 1000.0, "l2": config["l2"] / 1000.0}


def _inputs(config: spec.Config, source: Source) -> dict[str, spec.Array]:
    return {"inputs": source.normal((config["taps"], 1, config["filters"]), 0.3)}


def _exact(given: spec.Given) -> spec.Answer:
    weight, factors = given.inputs["inputs"], _factors(given.config)
    return spec.exactly(
        factors["l1"] * np.abs(weight).sum() + factors["l2"] * np.square(weight).sum()
    )


PRIMITIVE = Primitive(
    spec.LayerSpec(
        name="regularizers",
        mirrors="tf.keras.regularizers.L1L2",
        port=lambda config: L1L2(**_factors(config)),
        official=lambda config: keras("regularizers.L1L2", **_factors(config)),
        configs=spec.grid(taps=[1, 101, 401], filters=[1, 8, 40], l1=[0, 10, 500], l2=[500, 1, 10]),
        sampling=spec.Sampling(
            sizes=("taps", "filters", "l1", "l2"),
        ),
        inputs=_inputs,
        exact=_exact,
        budget=spec.Budget(
            port=spec.Bound(5.9, 2.96),
            reference=spec.Bound(5, 2.28),
            port_gradient=spec.Bound(5.4, 2.7),
            reference_gradient=spec.Bound(5.4, 2.7),
            measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
        ),
        errors=(spec.ErrorCase("l1", lambda: L1L2(l1=float("nan"))),),
    ),
    left_out={"denormal": FLUSHED.format("has no sign")},
)
