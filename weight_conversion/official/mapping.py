"""The table of a model's weights: official path, PyTorch key, transform, shape.

One row a weight. Both sides are consumed wholly, or nothing is converted.

* Frontends keep the official shapes, and the official names without the leading underscore of each
  part: ``_compress_fn/ema/smooth`` is ``compress_fn.ema.smooth``. Two paths are longer in the
  official code: ``_pooling/pool/kernel`` (``LearnablePooling1D`` holds a convolution) and
  ``_compress_fn/ema/cell/kernel`` (a ``SimpleRNN`` holds a cell).
* Classifiers are spelled as torch does. A convolution's kernel ``(height, width, in, out)`` becomes
  ``weight`` ``(out, in, height, width)``, that of one dimension ``(taps, in, out)`` becomes
  ``(out, in, taps)``, a dense layer's ``(in, out)`` becomes ``(out, in)``. Keras numbers those
  members of a Sequential that have weights (``layer_with_weights-1``), torch numbers all. Keras'
  EfficientNetB0 is one flat list of layers, numbered so; a depthwise kernel ``(height, width,
  channels, 1)`` becomes ``(channels, 1, height, width)``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from leaf_port import AudioClassifier, LearnablePooling1d
from leaf_port.efficientnet import EfficientNetB0
from leaf_port.errors import LeafError
from leaf_port.postprocessing import FixedSmoother

Array = npt.NDArray[Any]
Shape = tuple[int, ...]

_TO_TORCH = {4: (3, 2, 0, 1), 3: (2, 1, 0), 2: (1, 0)}
_DEPTHWISE = (2, 3, 0, 1)
_FROM_KERAS = (nn.Conv1d, nn.Conv2d, nn.Linear)


@dataclass(frozen=True, slots=True)
class Row:
    """A weight.

    Attributes:
        path: of the variable in the official model: ``"_head/kernel"``.
        key: in the state dict: ``"head.weight"``.
        axes: the permutation of axes that makes the PyTorch tensor; None where nothing is moved.
        shape: the official one.
    """

    path: str
    key: str
    axes: tuple[int, ...] | None
    shape: Shape

    def to_torch(self, value: Array) -> Tensor:
        """The PyTorch tensor of an official array, contiguous and of its own."""
        moved = value if self.axes is None else value.transpose(self.axes)
        return torch.from_numpy(np.array(moved, order="C", copy=True))

    def to_official(self, tensor: Tensor) -> Array:
        """The official array of a PyTorch tensor, contiguous and of its own."""
        value: Array = tensor.detach().cpu().numpy()
        moved = value if self.axes is None else value.transpose(np.argsort(self.axes))
        return np.array(moved, order="C", copy=True).reshape(self.shape)


def table(model: nn.Module) -> list[Row]:
    """The rows of a frontend or of an ``AudioClassifier``, in the order of its state dict."""
    if not isinstance(model, AudioClassifier):
        return list(_frontend(model, "", ""))
    rows: list[Row] = []
    if model.frontend is not None:
        rows += _frontend(model.frontend, "_frontend/", "frontend.")
    if model.encoder is not None:
        rows += _keras(model.encoder, "_encoder/", "encoder.")
    return [*rows, *_keras(model.head, "_head/", "head.")]


def official_weights(model: nn.Module) -> dict[str, Array]:
    """The weights of a model by official path, in the official layout."""
    state = model.state_dict()
    return {row.path: row.to_official(state[row.key]) for row in table(model)}


def _frontend(module: nn.Module, path: str, key: str) -> Iterator[Row]:
    """The weights of a frontend: official names, official shapes."""
    for name, tensor in module.state_dict().items():
        parts = [f"_{each}" if i == 0 else each for i, each in enumerate(name.split("."))]
        owner = module.get_submodule(name.rpartition(".")[0])
        if isinstance(owner, LearnablePooling1d):
            parts.insert(-1, "pool")
        if isinstance(owner, FixedSmoother):
            parts.insert(-1, "cell")
        yield Row(path + "/".join(parts), key + name, None, tuple(tensor.shape))


def _keras(module: nn.Module, path: str, key: str) -> Iterator[Row]:
    """The weights of an encoder or head, by walking its children."""
    listed = isinstance(module, (nn.Sequential, EfficientNetB0))
    members = _leaves(module) if isinstance(module, EfficientNetB0) else module.named_children()
    weighted = [(name, child) for name, child in members if child.state_dict()]
    for index, (name, child) in enumerate(weighted):
        step = f"layer_with_weights-{index}" if listed else name
        yield from _keras(child, f"{path}{step}/", f"{key}{name}.")
    own = dict(module.named_parameters(recurse=False)) | dict(module.named_buffers(recurse=False))
    for name, tensor in own.items():
        axes = None
        official = name
        if isinstance(module, _FROM_KERAS) and name == "weight":
            official, axes = "kernel", _TO_TORCH[tensor.ndim]
            if isinstance(module, nn.Conv2d) and module.groups > 1:
                official, axes = "depthwise_kernel", _DEPTHWISE
        shape = tuple(tensor.shape)
        if axes is not None:
            shape = tuple(int(shape[i]) for i in np.argsort(axes))
        yield Row(path + official, key + name, axes, shape)


def _leaves(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The layers that have none in them, in order."""
    for name, each in module.named_modules():
        if not any(True for _ in each.children()):
            yield name, each


def match(rows: list[Row], found: Mapping[str, tuple[str, Shape]], source: str, model: str) -> None:
    """Refuses weights that are not exactly those of the table.

    Args:
        rows: what the model needs.
        found: type and shape of each variable of the source, by path.
        source: its name, for the error.
        model: what was to be filled, for the error.

    Raises:
        LeafError: naming, sorted, all that is missing, unexpected, of another shape or type.
    """
    wanted = {row.path: row for row in rows}
    both = sorted(wanted.keys() & found.keys())
    groups = {
        "missing": sorted(wanted.keys() - found.keys()),
        "unexpected": sorted(found.keys() - wanted.keys()),
        "of another shape": [
            f"{path} {found[path][1]} for {wanted[path].shape}"
            for path in both
            if found[path][1] != wanted[path].shape
        ],
        "not float32": [f"{path} {found[path][0]}" for path in both if found[path][0] != "float32"],
    }
    told = "; ".join(f"{title}: {', '.join(names)}" for title, names in groups.items() if names)
    if told:
        fix = "check --frontend, --sample-rate, --window-len and the other arguments of the model"
        raise LeafError("convert", source, f"the weights of {model}", told, fix)
