"""A layer of the user's inside of a layer is moved along, unless the layer alone is asked for.

So is a compression with weights, or whatever else a user hangs into a frontend.
"""

from __future__ import annotations

import torch
from torch import nn

from parity.checks.invariants.generic import of_the_port
from parity.checks.invariants.one_object import smallest_of_each
from parity.port import runner
from parity.spec import LayerSpec

_NAME = "of_the_user"


def moved(spec: LayerSpec) -> str:
    """A small case of each choice: the first problem."""
    for case in smallest_of_each(spec):
        layer = runner.build(spec, case)
        if isinstance(layer, nn.Module) and of_the_port(layer):
            part = nn.BatchNorm1d(2)
            layer.add_module(_NAME, part)
            if problem := _problem(layer, part):
                return f"{case.name}: {problem}"
    return ""


def _problem(layer: nn.Module, part: nn.Module) -> str:
    layer.double()
    if part.weight.dtype != torch.float64:
        return "a part of it is not moved to float64"
    layer.to_empty(device="meta", recurse=False)
    if part.weight.is_meta:
        return "a part of it is moved, where the layer alone is asked for"
    own = [*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False)]
    if left := [name for name, each in own if not each.is_meta]:
        return f"moved alone to meta, {left} are left behind"
    layer.to_empty(device="cpu")
    return "a part of it is left on meta" if part.weight.is_meta else ""
