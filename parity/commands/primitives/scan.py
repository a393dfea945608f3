"""The learned smoother of PCEN as tf.scan computes it: one frame after another."""

from collections.abc import Callable

import numpy as np
from torch import Tensor
from torch.func import functional_call

from leaf_port import ExponentialMovingAverage
from parity import spec
from parity.commands.primitives._common import Primitive
from parity.layers._common import energies
from parity.oracles.exact import compression
from parity.spec.random_arrays import Source


def _port(config: spec.Config) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    layer = ExponentialMovingAverage(config["channels"], 0.04, per_channel=True)

    def call(inputs: Tensor, smooth: Tensor, state: Tensor) -> Tensor:
        return functional_call(layer, {"smooth": smooth}, (inputs, state))

    return call


def _inputs(config: spec.Config, source: Source) -> dict[str, spec.Array]:
    """Energies; coefficients around and beyond their bounds (0, 1), at both of them too."""
    channels = config["channels"]
    smooth = source.uniform((channels,), -0.1, 1.1)
    smooth[0] = config["first"]
    return {
        "inputs": energies(source, (2, config["frames"], channels)),
        "smooth": smooth,
        "state": source.uniform((2, channels), 0.0, 1.0),
    }


def _ties(config: spec.Config) -> dict[str, spec.Array]:
    """The first coefficient may stand at a bound; the others are drawn, and do not."""
    return {"input/smooth": np.arange(config["channels"]) == 0} if config["first"] in (0, 1) else {}


def _exact(given: spec.Given) -> spec.Answer:
    return spec.exactly(compression.moving_average(*given.inputs.values()))


_SCALAR = "a gradient of one element is one sum, whose terms may cancel"

PRIMITIVE = Primitive(
    spec.LayerSpec(
        name="scan",
        mirrors="tf.scan of w x[t] + (1 - w) m[t - 1], w = tf.clip_by_value(smooth, 0, 1)",
        port=_port,
        official=lambda _: spec.Ref("scanned_average"),
        configs=spec.grid(
            frames=[1, 2, 50, 200], channels=[1, 5, 40], first=[0.0, 0.04, 1.0, 0.5, -0.01]
        ),
        inputs=_inputs,
        differentiable=("inputs", "smooth", "state"),
        exact=_exact,
        exceptions=spec.Exceptions(
            ties=_ties,
        ),
        budget=spec.Budget(
            port=spec.Bound(7.4, 3.71),
            reference=spec.Bound(6.8, 3.43),
            port_gradient=spec.Bound(8.3, 4.16),
            reference_gradient=spec.Bound(8.7, 4.39),
            relative_gradient=1e-4,
            reason=_SCALAR,
            measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
        ),
        errors=(spec.ErrorCase("num_channels", lambda: ExponentialMovingAverage(0, 0.04)),),
    ),
)
