"""Normalisation over the frames of a clip."""

import torch
from torch import Tensor

from leaf_port.normalization import InstanceNormalization
from parity import spec
from parity.layers._common import normal, uniform, wrong_inputs
from parity.layers._models import channels_last
from parity.layers._signatures import AFFINE_LACKS, TOLD
from parity.oracles.exact import normalisation
from parity.spec.random_arrays import Source


def _inputs(config: spec.Config, source: Source) -> dict[str, spec.Array]:
    middle = config.get("map") or (config["frames"],)
    shape = config.get("batch", 2), *middle, config["channels"]
    return {"inputs": source.normal(shape, 1.0, 0.5)}


def _call(layer: InstanceNormalization, inputs: Tensor) -> Tensor:
    """On a map in the port's layout."""
    return channels_last(layer, inputs) if inputs.ndim == 4 else layer(inputs)


@torch.no_grad()
def _of_one_value() -> str:
    """One value alone is its own mean, so that it gives beta, of either sign."""
    layer = InstanceNormalization(1)
    layer.beta.fill_(0.5)
    for value in (-5.0, 0.0, 5.0):
        for shape in ((1, 1, 1), (1, 1, 1, 1)):
            if (found := layer(torch.full(shape, value)).item()) != 0.5:
                return f"{value} of {shape} gives {found}"
    return ""


SPEC = spec.LayerSpec(
    name="instance_normalization",
    mirrors="frontend.py, lines 187-196 (tensorflow_addons InstanceNormalization)",
    port=lambda config: InstanceNormalization(config["channels"], 1e-6),
    official=lambda config: spec.Ref("tensorflow_addons.layers.InstanceNormalization")(
        axis=3 if config.get("map") else 2, epsilon=1e-6
    ),
    configs=[
        *spec.grid(frames=[2, 50, 101], channels=[1, 40, 5]),
        {"frames": 1, "channels": 3, "batch": 3},
        {"map": (7, 5), "channels": 3, "batch": 1},
    ],
    inputs=_inputs,
    call=_call,
    weights=lambda _: {
        "gamma": spec.Weight("gamma", uniform(0.5, 1.5)),
        "beta": spec.Weight("beta", normal(0.5)),
    },
    exact=lambda given: spec.exactly(normalisation.instance(given.inputs["inputs"], given.weights)),
    budget=spec.Budget(
        port=spec.Bound(5, 2.336),
        reference=spec.Bound(11, 6.823),
        port_gradient=spec.Bound(5, 3.248),
        reference_gradient=spec.Bound(13, 7.372),
        double=spec.Bound(6.8, 3.918),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    signatures=(
        spec.Signature(
            InstanceNormalization,
            "tensorflow_addons.layers.InstanceNormalization,"
            "tensorflow_addons.layers.GroupNormalization",
            own={"num_channels": TOLD, "epsilon": spec.Own(1e-6, "as Leaf sets it")},
            lacks={
                **AFFINE_LACKS,
                "axis": "channels stand where the rank says",
                "groups": "one a channel",
            },
        ),
    ),
    laws=(spec.Law("one value alone", _of_one_value),),
    errors=(
        spec.ErrorCase("num_channels", lambda: InstanceNormalization(0)),
        *wrong_inputs(lambda: InstanceNormalization(3), 3),
    ),
)
