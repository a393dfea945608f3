"""The fixed smoother of PCEN: a SimpleRNN without activation.

Of up to eight channels: a unit counts the sum of a step as one rounding, and float32 adds up its
products one after another (of 16 products, done so by hand, 12 units against 2.5).
"""

import torch

from leaf_port.postprocessing import PCEN, FixedSmoother
from parity import spec
from parity.commands.primitives._common import Primitive
from parity.layers._common import energies, keras, refused_states, smoothing_matrix
from parity.oracles.exact import compression
from parity.spec.random_arrays import Source


def _inputs(config: spec.Config, source: Source) -> dict[str, spec.Array]:
    channels = config["channels"]
    inputs = energies(source, (2, config["frames"], channels))
    return {"inputs": inputs, "state": source.uniform((2, channels), 0.0, 1.0)}


def _exact(given: spec.Given) -> spec.Answer:
    inputs, state = given.inputs.values()
    kernels = given.weights["cell/kernel"], given.weights["cell/recurrent_kernel"]
    return spec.exactly(compression.fixed_average(inputs, *kernels, state))


def _smoother() -> FixedSmoother:
    return FixedSmoother(3, 0.04)


_SUMS = "a unit counts the sum of a step as one rounding, float32 adds up term by term"

PRIMITIVE = Primitive(
    spec.LayerSpec(
        name="simple_rnn",
        mirrors="tf.keras.layers.SimpleRNN",
        port=lambda config: FixedSmoother(config["channels"], 0.04),
        official=lambda config: keras(
            "layers.SimpleRNN",
            config["channels"],
            activation=None,
            use_bias=False,
            return_sequences=True,
        ),
        configs=spec.grid(frames=[1, 2, 50, 100], channels=[1, 3, 8]),
        inputs=_inputs,
        weights=lambda _: {
            "cell/kernel": spec.Weight("kernel", smoothing_matrix(0.02, 0.1)),
            "cell/recurrent_kernel": spec.Weight("recurrent_kernel", smoothing_matrix(0.7, 0.9)),
        },
        initial=False,
        differentiable=("inputs", "state"),
        exact=_exact,
        budget=spec.Budget(
            port=spec.Bound(19, 9.33),
            reference=spec.Bound(15, 7.73),
            port_gradient=spec.Bound(28, 14.1, _SUMS),
            reference_gradient=spec.Bound(15, 7.4),
            relative_gradient=1e-4,
            measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
            reason="a gradient of one element is one sum, whose terms may cancel",
        ),
        errors=(
            spec.ErrorCase("inputs", lambda: PCEN(3)(torch.ones(1, 5, 2))),
            spec.ErrorCase("num_channels", lambda: FixedSmoother(0, 0.04)),
            spec.ErrorCase("inputs", lambda: _smoother()(torch.ones(2, 0, 3), torch.ones(2, 3))),
            spec.ErrorCase("inputs", lambda: _smoother()(torch.ones(2, 5, 2), torch.ones(2, 2))),
            *refused_states(_smoother),
        ),
    ),
)
