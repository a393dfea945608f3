"""A layer's folder: what ``from_pretrained`` loads, written from a declaration."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save, save_file
from torch import Tensor, nn

from leaf_port import pretrained
from parity.checks.invariants.generic import once_each
from parity.port import runner
from parity.spec import Case, LayerSpec, Question

CONFIG, WEIGHTS = pretrained.CONFIG, pretrained.WEIGHTS
FORMAT_VERSION = 1
"""Of the folders that people have."""
Tree = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Kept:
    """What a folder holds.

    Attributes:
        cls: of the layer.
        tree: what stands in config.json.
        weights: the layer's, by name.
    """

    cls: Any
    tree: Tree
    weights: Mapping[str, Tensor]

    def write(
        self, folder: Path, tree: object = None, weights: Mapping[str, Tensor] | None = None
    ) -> None:
        """Writes the folder, or another tree or other weights where they are given."""
        folder.mkdir(exist_ok=True)
        write(
            folder,
            self.tree if tree is None else tree,
            self.weights if weights is None else weights,
        )

    def data(self) -> bytes:
        """The bytes of its weights."""
        return save({name: tensor.contiguous() for name, tensor in self.weights.items()})


def kept(spec: LayerSpec) -> Kept:
    """The folder of a declaration's first configuration."""
    case = next(once_each(spec))
    layer, _ = drawn(spec, case, runner.ask(spec, case))
    return Kept(type(layer), tree(spec, case), layer.state_dict())


def tree(spec: LayerSpec, case: Case) -> Tree:
    """What stands in the config.json of a case's layer."""
    assert spec.folder is not None  # noqa: S101
    return {"format_version": FORMAT_VERSION, **spec.folder(case.config)}


def drawn(spec: LayerSpec, case: Case, question: Question) -> tuple[nn.Module, list[Tensor]]:
    """A case's layer with its drawn weights, and what it is called with."""
    declared = spec.weights(case.config)
    layer = runner.build(spec, case)
    assert isinstance(layer, nn.Module)  # noqa: S101
    with torch.no_grad():
        for path, tensor in runner.held(layer, declared).items():
            tensor.copy_(torch.from_numpy(declared[path].to_port(question.weights[path]).copy()))
    return layer.eval(), [torch.from_numpy(array) for array in question.inputs.values()]


def write(folder: Path, told: object, weights: Mapping[str, Tensor]) -> None:
    """Writes both files of a folder."""
    (folder / CONFIG).write_text(json.dumps(told), encoding="utf-8")
    save_file({name: each.contiguous() for name, each in weights.items()}, folder / WEIGHTS)
