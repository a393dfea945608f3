"""Normalisation over the frames of a clip."""

from leaf_port.normalization import InstanceNormalization
from parity.layers._common import normal, uniform, wrong_inputs
from parity.oracles.exact import normalisation
from parity.spec import Bound, Budget, ErrorCase, LayerSpec, Ref, Weight, exactly, grid

SPEC = LayerSpec(
    name="instance_normalization",
    mirrors="frontend.py, lines 187-196 (tensorflow_addons InstanceNormalization)",
    port=lambda config: InstanceNormalization(config["channels"], 1e-6),
    official=lambda _: Ref("tensorflow_addons.layers.InstanceNormalization")(axis=2, epsilon=1e-6),
    configs=grid(frames=[2, 50, 101], channels=[1, 40, 5]),
    inputs=lambda config, source: {
        "inputs": source.normal((2, config["frames"], config["channels"]), 1.0, 0.5)
    },
    weights=lambda _: {
        "gamma": Weight("gamma", uniform(0.5, 1.5)),
        "beta": Weight("beta", normal(0.5)),
    },
    exact=lambda given: exactly(normalisation.instance(given.inputs["inputs"], given.weights)),
    budget=Budget(
        port=Bound(5, 2.336),
        reference=Bound(11, 6.823),
        port_gradient=Bound(5, 3.248),
        reference_gradient=Bound(13, 7.372),
        double=Bound(6.8, 3.918),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    errors=(
        ErrorCase("num_channels", lambda: InstanceNormalization(0)),
        *wrong_inputs(lambda: InstanceNormalization(3), 3),
    ),
)
