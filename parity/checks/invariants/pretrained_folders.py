"""A layer that is kept in a folder comes back the same."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn

from parity.checks.invariants.folder import drawn, tree, write
from parity.checks.invariants.generic import Usual
from parity.spec import Case, LayerSpec


def kept(spec: LayerSpec, case: Case, asked: Usual) -> str:
    """Weights and outputs of what ``from_pretrained`` builds are those of the layer, bit by bit."""
    layer, inputs = drawn(spec, case, asked[0])
    with tempfile.TemporaryDirectory(prefix="parity-folder-") as name:
        folder = Path(name)
        write(folder, tree(spec, case), layer.state_dict())
        loaded = type(layer).from_pretrained(folder)  # type: ignore[attr-defined]
        return _unlike(layer, loaded, inputs)


def _unlike(layer: nn.Module, loaded: nn.Module, inputs: list[Tensor]) -> str:
    """What a loaded layer has otherwise."""
    if loaded.training:
        return "loaded in training mode"
    weights = loaded.state_dict()
    for name, tensor in layer.state_dict().items():
        if not torch.equal(tensor, weights[name]):
            return f"{name} is another one"
    with torch.no_grad():
        same = torch.equal(layer(*inputs), loaded(*inputs))
    return "" if same else "its output is another one"
