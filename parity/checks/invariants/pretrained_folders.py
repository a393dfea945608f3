"""A layer that is kept in a folder comes back the same, and a broken folder is refused."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from leaf_port import pretrained
from leaf_port.errors import LeafError
from parity.checks.invariants.generic import Usual
from parity.port import runner
from parity.spec import Case, LayerSpec, Question

Tree = dict[str, Any]


def kept(spec: LayerSpec, case: Case, asked: Usual) -> str:
    """Weights and outputs of what ``from_pretrained`` builds are those of the layer, bit by bit."""
    assert spec.folder is not None  # noqa: S101
    layer, inputs = _layer(spec, case, asked[0])
    tree = {"format_version": pretrained.FORMAT_VERSION, **spec.folder(case.config)}
    with tempfile.TemporaryDirectory(prefix="parity-folder-") as name:
        folder = Path(name)
        _write(folder, tree, layer.state_dict())
        loaded = type(layer).from_pretrained(folder)  # type: ignore[attr-defined]
        if problem := _unlike(layer, loaded, inputs):
            return problem
        return _accepted(type(layer), folder, tree, layer.state_dict())


def _layer(spec: LayerSpec, case: Case, question: Question) -> tuple[nn.Module, list[Tensor]]:
    """A case's layer with its drawn weights, and what it is called with."""
    declared = spec.weights(case.config)
    layer = runner.build(spec, case)
    assert isinstance(layer, nn.Module)  # noqa: S101
    with torch.no_grad():
        for path, tensor in runner.held(layer, declared).items():
            tensor.copy_(torch.from_numpy(declared[path].to_port(question.weights[path]).copy()))
    return layer.eval(), [torch.from_numpy(array) for array in question.inputs.values()]


def _write(folder: Path, tree: object, weights: Mapping[str, Tensor]) -> None:
    (folder / pretrained.CONFIG).write_text(json.dumps(tree), encoding="utf-8")
    held = {name: tensor.contiguous() for name, tensor in weights.items()}
    save_file(held, folder / pretrained.WEIGHTS)


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


def _nested(tree: Tree, name: str, value: object) -> Tree:
    return {**tree, "arguments": {**tree["arguments"], name: value}}


# What may be wrong with config.json, and what the error must tell.
_WRONG: Mapping[str, Callable[[Tree], object]] = {
    "format_version": lambda tree: {**tree, "format_version": 2},
    "format_version 1": lambda _: [],
    "the name of a class": lambda tree: {**tree, "kind": None},
    ".from_pretrained": lambda tree: {**tree, "kind": "log_compression"},
    "another": lambda tree: _nested(tree, "another", 1),
    "'os.system'": lambda tree: _nested(tree, "n_filters", {"kind": "os.system"}),
    "'eval'": lambda tree: _nested(tree, "pooling_cls", "eval"),
}


def _accepted(cls: Any, folder: Path, tree: Tree, weights: Mapping[str, Tensor]) -> str:
    """Which broken folder is taken, or refused without saying why; empty if none is."""
    whole = dict(weights)
    more = {**whole, "another": torch.zeros(1)}
    less = dict(list(whole.items())[1:])
    other = {name: tensor.double() for name, tensor in whole.items()}
    written: list[tuple[str, Callable[[], object]]] = [
        *(
            (told, lambda wrong=wrong: _write(folder, wrong(tree), whole))
            for told, wrong in _WRONG.items()
        ),
        ("unexpected: another", lambda: _write(folder, tree, more)),
        *[("float64", lambda: _write(folder, tree, other))] * bool(whole),
        *[("missing: ", lambda: _write(folder, tree, less))] * bool(whole),
        ("a safetensors file", lambda: (folder / pretrained.WEIGHTS).write_bytes(b"pickle")),
        ("JSON", lambda: (folder / pretrained.CONFIG).write_bytes(b"\xff{")),
        ("a file that can be read", (folder / pretrained.CONFIG).unlink),
    ]
    for told, write in written:
        write()
        try:
            cls.from_pretrained(folder)
        except LeafError as error:
            if told not in str(error):
                return f"the error does not say {told!r}: {error}"
        else:
            return f"a broken folder is taken: {told}"
    return ""
