"""What the declarations of the classifiers share: layouts, weights found by walking the port."""

import json
import math
from collections.abc import Callable, Iterator, Mapping

from torch import Tensor, nn

from leaf_port.normalization import BatchNormalization
from parity import spec
from parity.layers._common import normal, uniform
from parity.port.seeded import seeded
from parity.spec.random_arrays import Source

Weights = Callable[[spec.Config], Mapping[str, spec.Weight]]
"""By official path, of a configuration."""

_KERNEL_AXES = {4: (3, 2, 0, 1), 3: (2, 1, 0), 2: (1, 0)}  # HWIO, WIO, IO to OIHW, OIW, OI


def channels_last(layer: nn.Module, inputs: Tensor) -> Tensor:
    """Calls a layer on ``(batch, channels, frames, filters)`` with the official layout."""
    return layer(inputs.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def from_waveform(layer: nn.Module, inputs: Tensor) -> Tensor:
    """Calls a model on a waveform; its map comes in the official layout."""
    return layer(inputs).permute(0, 2, 3, 1)


def maps(config: spec.Config, source: Source) -> dict[str, spec.Array]:
    """Feature maps in the official layout: ``(batch, frames, filters, channels)``."""
    frames, filters = config["map"]
    return {
        "inputs": source.normal(
            (config.get("batch", 2), frames, filters, config.get("channels", 1))
        )
    }


def _own(layer: nn.Module) -> Iterator[tuple[str, str, spec.Weight]]:
    """A layer's weights: official name, the port's, and the rest."""
    if isinstance(layer, BatchNormalization):
        yield "gamma", "gamma", spec.Weight("", uniform(0.5, 1.5))
        yield "beta", "beta", spec.Weight("", normal(0.3))
        yield "moving_mean", "moving_mean", spec.Weight("", normal(0.2), differentiable=False)
        variance = spec.Weight("", uniform(0.5, 1.5), differentiable=False)
        yield "moving_variance", "moving_variance", variance
        return
    kernel = layer.weight
    assert isinstance(kernel, Tensor)  # noqa: S101
    deviation = 1.0 / math.sqrt(kernel[0].numel())
    axes = _KERNEL_AXES[kernel.ndim]
    yield "kernel", "weight", spec.Weight("", normal(deviation), axes, random=True)
    if getattr(layer, "bias", None) is not None:
        yield "bias", "bias", spec.Weight("", normal(0.1))


def walk(module: nn.Module, path: str = "", key: str = "") -> dict[str, spec.Weight]:
    """The weights below a model by official path.

    Keras numbers the members of a Sequential that have weights; torch numbers all of them.
    """
    children = [(name, child) for name, child in module.named_children() if _has_weights(child)]
    if not children:
        return {
            f"{path}{official}": spec.Weight(
                key + own, weight.draw, weight.axes, weight.random, weight.differentiable
            )
            for official, own, weight in _own(module)
        }
    found: dict[str, spec.Weight] = {}
    for index, (name, child) in enumerate(children):
        sequential = isinstance(module, nn.Sequential)
        step = f"layer_with_weights-{index}" if sequential else name
        found |= walk(child, f"{path}{step}/", f"{key}{name}.")
    return found


def _has_weights(module: nn.Module) -> bool:
    return next(module.parameters(), None) is not None


def once(weights: Weights) -> Weights:
    """Finds the weights of each configuration once: every run asks for them, and to walk a model is
    to build it.
    """
    found: dict[str, Mapping[str, spec.Weight]] = {}

    def of(config: spec.Config) -> Mapping[str, spec.Weight]:
        key = json.dumps(config, sort_keys=True, default=repr)
        if key not in found:
            with seeded(0):  # what the first call draws, the next ones don't
                found[key] = weights(config)
        return found[key]

    return of


def weights_of(build: Callable[[spec.Config], nn.Module]) -> Weights:
    """A declaration's ``weights``, from the function that builds the port."""
    return once(lambda config: walk(build(config)))


def overflowing(case: spec.Case) -> str:
    """Why a case has no answer to compare: what the official pooling makes of NaN overflows."""
    broken = case.training and case.signal in ("nan", "infinity")
    return (
        "behind the official pooling's -3.4e38 float32 overflows, here or there" if broken else ""
    )
