"""A layer that was just built is made of what the official one is made of.

Which weights it has and under which keys, which of them are trained, what they start with, and the
layers without weights in it: all of it before the suite sets anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from leaf_port._model_layers import MaxPool, SameAvgPool2d
from leaf_port.normalization import BatchNormalization
from parity.checks.invariants.generic import once_each
from parity.oracles import descriptions
from parity.port import runner
from parity.port.seeded import seeded
from parity.spec import Case, LayerSpec, Weight

Official = Mapping[str, Any]


def cases(spec: LayerSpec) -> Iterator[Case]:
    """The cases whose layer is described: those with weights, and the models too large to run."""
    for case in once_each(spec):
        if spec.weights(case.config):
            yield case
    yield from (Case(spec.name, config, initial=True) for config in spec.too_large)


def as_official(spec: LayerSpec) -> str:
    """Every case of a declaration: the first problem."""
    for case in cases(spec):
        for problem in problems(spec, case):
            return f"{case.name}: {problem}"
    return ""


def built(spec: LayerSpec, case: Case) -> nn.Module:
    """The layer as its constructor leaves it; without values where it is too large."""
    large = case.config in spec.too_large
    with torch.device("meta" if large else "cpu"), seeded(0):
        layer = spec.port(case.config)
    assert isinstance(layer, nn.Module)  # noqa: S101
    return layer


def problems(spec: LayerSpec, case: Case) -> Iterator[str]:
    """What the port's layer of a case has otherwise than the official one."""
    layer, declared = built(spec, case), spec.weights(case.config)
    if not all(module.training for module in layer.modules()):
        yield "it is not built in training mode"
    official = descriptions.made_of(spec.name, case.name)
    held, theirs = runner.held(layer, declared), official["weights"]
    if held.keys() != theirs.keys():
        yield f"weights {sorted(held)}, officially {sorted(theirs)}"
        return
    apart = dict(spec.exceptions.trained(case.config))
    for path, tensor in held.items():
        for problem in _weight(declared[path], tensor, theirs[path]):
            yield f"{path}: {problem}"
        trained = tensor.requires_grad
        if trained == theirs[path]["trained"]:
            if path in apart:
                yield f"{path}: declared as trained on one side alone, which does not apply"
        elif not apart.get(path):
            yield f"{path}: {'trained' if trained else 'not trained'}, officially otherwise"
    for path, settings in official["layers"].items():
        yield from _layer(layer, path, settings)
    yield from _others(layer, official)


def _weight(declared: Weight, tensor: Tensor, official: Official) -> Iterator[str]:
    """Key, shape and initial value of a weight."""
    shape = list(declared.to_official(np.empty(tuple(tensor.shape))).shape)
    if shape != official["shape"]:
        yield f"of shape {shape}, officially {official['shape']}"
    if "layer-" in official["at"] and declared.key != key(official["at"]):
        yield f"its key is {declared.key}, not {key(official['at'])}"
    starts = official["starts"]
    known = not (tensor.is_meta or declared.random or isinstance(starts, list))
    if known and not bool((tensor == starts).all()):
        yield f"it starts with {tensor.flatten()[:3].tolist()}, officially with {starts}"


def key(at: str) -> str:
    """The port's key for an official path of numbered layers."""
    steps = [step.removeprefix("layer-").removeprefix("_") for step in at.split("/")]
    return ".".join("weight" if step == "kernel" else step for step in steps)


def _of_convolution(layer: nn.Conv1d | nn.Conv2d) -> Mapping[str, Any]:
    return {
        "kernel_size": list(layer.kernel_size),
        "strides": list(layer.stride),
        "dilation_rate": list(layer.dilation),
        "use_bias": layer.bias is not None,
    }


# The port's class by the official one, and its settings in the official words.
_KNOWN: Mapping[str, tuple[type[nn.Module], Callable[[Any], Mapping[str, Any]]]] = {
    "Dropout": (nn.Dropout, lambda layer: {"rate": layer.p}),
    "ReLU": (nn.ReLU, lambda _: {}),
    "BatchNormalization": (
        BatchNormalization,
        lambda layer: {"epsilon": layer.epsilon, "momentum": layer.momentum},
    ),
    "AveragePooling2D": (SameAvgPool2d, lambda layer: {"pool_size": list(layer.window)}),
    "MaxPooling1D": (MaxPool, lambda layer: {"pool_size": layer.window[0]}),
    "MaxPooling2D": (MaxPool, lambda layer: {"pool_size": list(layer.window)}),
    "Conv1D": (nn.Conv1d, _of_convolution),
    "Conv2D": (nn.Conv2d, _of_convolution),
}


def _layer(root: nn.Module, path: str, official: Official) -> Iterator[str]:
    """What the layer at an official path is otherwise."""
    name = key(path)
    kind, settings = _KNOWN[official["kind"]]
    try:
        layer = root.get_submodule(name)
    except AttributeError:
        yield f"there is no {name}, officially {official}"
        return
    if not isinstance(layer, kind):
        yield f"{name} is of class {type(layer).__name__}, officially {official['kind']}"
        return
    wanted = {key: value for key, value in official.items() if key != "kind"}
    if not _same(settings(layer), wanted):
        yield f"{name} has {settings(layer)}, officially {wanted}"


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether settings are the same; a size for all axes may be told once."""
    pairs = [(one.get(name), other.get(name)) for name in one.keys() | other.keys()]
    return all(mine == theirs or [mine] == theirs or mine == [theirs] for mine, theirs in pairs)


def _others(root: nn.Module, official: Official) -> Iterator[str]:
    """Dropouts that the official layer has not."""
    known = {key(path) for path in official["layers"]}
    for name, module in root.named_modules():
        if isinstance(module, nn.Dropout) and name not in known:
            yield f"{name} drops values, and the official layer has none there"
