"""What a layer tells of itself makes it again, and what isn't to be trained isn't."""

from __future__ import annotations

import inspect
import itertools
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from parity.checks.invariants import refusals
from parity.checks.invariants.generic import PACKAGE
from parity.checks.invariants.one_object import smallest_of_each
from parity.port import runner
from parity.spec import LayerSpec

# Their argument is of the kernel; their bias is trained, as the official one.
_KERNEL_ALONE = frozenset({"GaborConv1d", "NormalizedConv1d", "SincConv1d"})


def made_again(spec: LayerSpec) -> str:
    """Every layer in a small one of each choice, from the arguments that a folder would hold."""
    for case in smallest_of_each(spec):
        layer = runner.build(spec, case)
        for module in layer.modules() if isinstance(layer, nn.Module) else ():
            if _tells(module) and (problem := _otherwise(module)):
                return f"{case.name}: {type(module).__name__}: {problem}"
    return ""


def _tells(module: nn.Module) -> bool:
    return type(module).__module__.startswith(f"{PACKAGE}.") and hasattr(module, "_arguments")


def _otherwise(module: Any) -> str:
    arguments = module._arguments()
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = type(module)(**arguments)
    if repr(again._arguments()) != repr(arguments):
        return f"{arguments} make {again._arguments()}"
    one, other = _weights(module), _weights(again)
    return "" if one == other else f"its weights are {one}, those made again {other}"


def _weights(module: nn.Module) -> dict[str, object]:
    shapes = {name: tuple(each.shape) for name, each in module.named_buffers()}
    own = {name: (tuple(p.shape), p.requires_grad) for name, p in module.named_parameters()}
    return {**shapes, **own}


def frozen(spec: LayerSpec) -> str:
    """Every declared layer, built as not trained and as trained: the first problem."""
    return next(_frozen(spec), "")


def _frozen(spec: LayerSpec) -> Iterator[str]:
    for port in with_subclasses(spec):
        takes = inspect.signature(port).parameters
        if "trainable" not in takes or not issubclass(port, nn.Module):
            continue
        for trainable, flags in itertools.product((False, True), _flags(takes)):
            arguments = {**refusals.required(takes), **flags, "trainable": trainable}
            for device in ("cpu", "meta"):
                with torch.device(device):
                    layer = port(**arguments)
                for name, each in layer.named_parameters():
                    stays = name == "bias" and port.__name__ in _KERNEL_ALONE
                    kept = name.startswith("ema.") and trainable  # trained if it is learned
                    if not (stays or kept) and each.requires_grad is not trainable:
                        yield f"{port.__name__}({arguments}) on {device}: {name} is otherwise"


def _flags(takes: Mapping[str, inspect.Parameter]) -> Iterator[dict[str, bool]]:
    """Every value of the arguments that are true or false: a weight may depend on one."""
    names = [name for name, each in takes.items() if isinstance(each.default, bool)]
    names = [name for name in names if name != "trainable"]
    for values in itertools.product((False, True), repeat=len(names)):
        yield dict(zip(names, values, strict=True))


def with_subclasses(spec: LayerSpec) -> Iterator[Any]:
    """The declared classes, and the port's classes that derive from them and take the same."""
    for signature in spec.signatures:
        if inspect.isclass(signature.port):
            yield signature.port
            yield from _derived(signature.port)


def _derived(port: Any) -> Iterator[Any]:
    takes = inspect.signature(port).parameters.keys()
    for each in port.__subclasses__():
        ours = each.__module__.startswith(f"{PACKAGE}.")
        if ours and inspect.signature(each).parameters.keys() == takes:
            yield each
