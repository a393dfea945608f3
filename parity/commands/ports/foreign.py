"""Asks a port itself: its Leaf, built anew for each question, in its own layouts."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from leaf_port.errors import LeafError
from parity.commands.audit.adapters._common import folder_of, source_of
from parity.commands.audit.foreign import contained, import_module
from parity.commands.ports.spec import RATE, milliseconds
from parity.spec import Answer, Config, LayerSpec, Question

SPEECHBRAIN, LEAF_PYTORCH = "speechbrain", "leaf-pytorch"
_MODULES = {
    SPEECHBRAIN: "speechbrain.lobes.features",
    LEAF_PYTORCH: "leaf_pytorch.frontend",
}


def _speechbrain(module: ModuleType, config: Config) -> nn.Module:
    return module.Leaf(
        config["filters"],
        **milliseconds(config),
        sample_rate=RATE,
        in_channels=1,
        max_freq=7800.0,
        use_pcen=config["pcen"],
        use_legacy_complex=config["legacy"],
    )


def _leaf_pytorch(module: ModuleType, config: Config) -> nn.Module:
    return module.Leaf(
        config["filters"],
        RATE,
        **milliseconds(config),
        pcen_compression=config["pcen"],
        use_legacy_complex=config["legacy"],
    )


_BUILD: dict[str, Callable[[ModuleType, Config], nn.Module]] = {
    SPEECHBRAIN: _speechbrain,
    LEAF_PYTORCH: _leaf_pytorch,
}


def name_of(target: str) -> str:
    """The name of the port that a target is of."""
    return SPEECHBRAIN if target == SPEECHBRAIN else LEAF_PYTORCH


class ForeignPort:
    """A port whose code is at hand.

    Args:
        target: ``"speechbrain"``, the installed package; else a checkout of leaf-pytorch.

    Attributes:
        name: of the port.
        versions: what answers.

    Raises:
        LeafError: it is neither, or cannot be imported.
    """

    def __init__(self, target: str) -> None:
        self.name = name_of(target)
        self.versions = {"torch": str(torch.__version__)}
        folder: Path | None = None
        if self.name == LEAF_PYTORCH:
            folder = folder_of(self.name, target, "leaf_pytorch/frontend.py")
            self.versions[self.name] = source_of(folder).rpartition(" at ")[2]
        self._module = import_module(self.name, _MODULES[self.name], folder)
        if self.name == SPEECHBRAIN:
            self.versions[self.name] = importlib.metadata.version(self.name)

    def build(self, config: Config) -> nn.Module:
        """Its Leaf, with its initial weights."""
        with contained():
            return _BUILD[self.name](self._module, config).eval()

    def features(self, leaf: nn.Module, wave: Tensor) -> Tensor:
        """``(batch, samples)`` to ``(batch, frames, filters)``."""
        if self.name == SPEECHBRAIN:
            return leaf(wave)
        return leaf(wave[:, None]).transpose(1, 2)

    def answer(self, spec: LayerSpec, question: Question) -> Answer:
        """What it answers to a question: features, and gradients to its weights and the input."""
        del spec
        leaf = self.build(question.case.config)
        named: dict[str, Any] = dict(leaf.named_parameters())
        if named.keys() != question.weights.keys():
            got, fix = ", ".join(sorted(named)), "import a release that is known"
            raise LeafError("ports", self.name, f"weights {sorted(question.weights)}", got, fix)
        with torch.no_grad():
            for name, value in question.weights.items():
                named[name].copy_(torch.from_numpy(value.copy()))
        wave = torch.from_numpy(question.inputs["inputs"].copy()).requires_grad_()
        features = self.features(leaf, wave)
        cotangent = torch.from_numpy(question.cotangent(0, features.shape))
        watched = {"input/inputs": wave} | {f"weight/{n}": named[n] for n in question.weights}
        gradients = torch.autograd.grad((features * cotangent).sum(), list(watched.values()))
        return Answer(
            [features.detach().numpy().copy()],
            {name: each.numpy().copy() for name, each in zip(watched, gradients, strict=True)},
        )
