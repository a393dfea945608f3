"""Bounds, and the whole gradient at a tie."""

from collections.abc import Callable

import numpy as np
from torch import Tensor

from leaf_port import Leaf
from leaf_port._ops import clip
from parity import spec
from parity.commands.primitives._common import FLUSH, Primitive, given_arguments
from parity.oracles.exact import types
from parity.spec.random_arrays import Source

_SIZE = 300
_NAMES = ("maximum", "minimum", "clip_by_value")


def _bounds(config: spec.Config) -> list[float]:
    """Thousandths, as float32 has them."""
    low = float(np.float32(config["low"] / 1000.0))
    high = float(np.float32((config["low"] + config["width"]) / 1000.0))
    return [low, high] if config["name"] == "clip_by_value" else [low]


def _port(config: spec.Config) -> Callable[[Tensor], Tensor]:
    function = getattr(clip, config["name"])
    return lambda inputs: function(inputs, *_bounds(config))


def _official(config: spec.Config) -> spec.Ref:
    bounds = dict(zip(("clip_value_min", "clip_value_max"), _bounds(config), strict=False))
    given = bounds if len(bounds) == 2 else {"y": bounds["clip_value_min"]}
    return given_arguments(config["name"], **given)


def _inputs(config: spec.Config, source: Source) -> dict[str, spec.Array]:
    """Around the bounds; a quarter of the values are one of them."""
    inputs = source.normal((_SIZE,), 2.0)
    bounds = _bounds(config)
    for offset, bound in enumerate(bounds):
        inputs[4 * offset :: 8] = bound
    inputs[:2] = 0.0, -0.0
    return {"inputs": inputs}


def _ties(config: spec.Config) -> dict[str, spec.Array]:
    mask = np.zeros(_SIZE, bool)
    mask[::4] = True
    mask[:2] = True
    return {"input/inputs": mask}


def _exact(given: spec.Given) -> spec.Answer:
    x, bounds = given.inputs["inputs"], _bounds(given.config)
    if given.config["name"] == "clip_by_value":
        return spec.exactly(types.clip(x, *bounds))
    return spec.exactly(getattr(np, given.config["name"])(x, *bounds))


_EXACT = "it chooses elements and rounds nothing"

PRIMITIVE = Primitive(
    spec.LayerSpec(
        name="clipping",
        mirrors="tf.maximum, tf.minimum, tf.clip_by_value",
        port=_port,
        official=_official,
        configs=spec.grid(name=_NAMES, low=[0, -1000, 10, 3], width=[1000, 0, 2]),
        sampling=spec.Sampling(
            sizes=("low", "width"),
        ),
        inputs=_inputs,
        exceptions=spec.Exceptions(
            ties=_ties,
        ),
        exact=_exact,
        budget=spec.Budget(
            port=spec.Bound(0, 0, _EXACT),
            reference=FLUSH,
            measured="0, 0 units but for denormals; torch 2.13.0, TF 2.13.1 and 2.21.0",
        ),
        errors=(spec.ErrorCase("n_filters", lambda: Leaf(n_filters=0)),),
    ),
)
