"""Normalisation over the filters of a frame."""

import torch

from leaf_port.normalization import LayerNormalization
from parity import spec
from parity.layers._common import by_torch, keras, normal, uniform, wrong_inputs
from parity.layers._signatures import AFFINE_LACKS, TOLD
from parity.oracles.exact import normalisation
from parity.spec.random_arrays import Source


def _inputs(config: spec.Config, source: Source) -> dict[str, spec.Array]:
    middle = config.get("map") or (config["frames"],)
    shape = config.get("batch", 2), *middle, config["channels"]
    return {"inputs": source.normal(shape, 1.0, 0.5)}


@torch.no_grad()
def _of_two_axes() -> str:
    """Features without frames are normalised as those of one frame."""
    x = torch.from_numpy(Source(1).normal((4, 7)))
    layer = LayerNormalization(7)
    return "" if torch.equal(layer(x), layer(x[:, None])[:, 0]) else "the numbers are others"


SPEC = spec.LayerSpec(
    name="layer_normalization",
    mirrors="frontend.py, line 280 (tf.keras.layers.LayerNormalization)",
    port=lambda config: LayerNormalization(config["channels"]),
    official=lambda _: keras("layers.LayerNormalization"),
    configs=[
        *spec.grid(frames=[1, 50, 101], channels=[2, 40, 5]),
        {"frames": 9, "channels": 1, "batch": 1},
        {"map": (7, 5), "channels": 3, "batch": 3},
    ],
    inputs=_inputs,
    weights=lambda _: {
        "gamma": spec.Weight("gamma", uniform(0.5, 1.5)),
        "beta": spec.Weight("beta", normal(0.5)),
    },
    exact=lambda given: spec.exactly(normalisation.layer(given.inputs["inputs"], given.weights)),
    budget=spec.Budget(
        port=spec.Bound(5.5, 3.049),
        reference=spec.Bound(6.7, 3.732),
        port_gradient=spec.Bound(6.5, 4.482),
        reference_gradient=spec.Bound(6.7, 3.287),
        double=spec.Bound(7.5, 4.45),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    signatures=(
        spec.Signature(
            LayerNormalization,
            "tensorflow.keras.layers.LayerNormalization",
            own={"num_channels": TOLD},
            lacks={**AFFINE_LACKS, "axis": "always the last one"},
        ),
    ),
    laws=(
        spec.Law("features without frames", _of_two_axes),
        by_torch(
            "layer normalisation", "native_layer_norm", lambda: LayerNormalization(3), (2, 4, 3)
        ),
    ),
    errors=(
        spec.ErrorCase("num_channels", lambda: LayerNormalization(0)),
        *wrong_inputs(lambda: LayerNormalization(3), 3),
    ),
)
