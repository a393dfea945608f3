"""Other people's frontends in the benchmark: any module that a Python expression builds."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from leaf_port.errors import LeafError

FORM = "NAME=[FOLDER:]MODULE:EXPRESSION"


@dataclass(frozen=True)
class Peer:
    """A frontend: ``expression`` is evaluated in ``module``, with ``folder`` on the path if any."""

    name: str
    folder: str
    module: str
    expression: str


def parse(text: str) -> Peer:
    """``"leaf-pytorch=checkout:leaf_pytorch.frontend:Leaf()"``.

    Raises:
        LeafError: another form.
    """
    name, equals, rest = text.partition("=")
    parts = rest.split(":", 2)
    if len(parts) == 2 or (len(parts) == 3 and "(" in parts[1]):
        parts = ["", *rest.split(":", 1)]
    if not (name and equals and len(parts) == 3 and parts[1] and parts[2]):
        fix = 'such as "mine=my_package.frontend:Leaf(n_filters=40)"'
        raise LeafError("benchmark", "--peer", FORM, repr(text), fix)
    return Peer(name, *parts)


class Adapted(nn.Module):
    """A peer that takes ``(batch, samples)``, whichever of the usual layouts it takes itself."""

    def __init__(self, peer: nn.Module, name: str) -> None:
        super().__init__()
        self.peer = peer
        layouts = {"bt": (1, 16000), "b1t": (1, 1, 16000), "bt1": (1, 16000, 1)}
        for layout, shape in layouts.items():
            try:
                with torch.no_grad():
                    outputs = peer(torch.zeros(shape))
            except Exception:  # noqa: S112 - whatever code of others raises: another layout
                continue
            if isinstance(outputs, Tensor) and outputs.ndim >= 3:
                self.layout = layout
                return
        expected = "a module from (batch, samples) to features of three axes or more"
        fix = "give an expression that builds the frontend alone"
        raise LeafError("benchmark", "--peer", expected, f"{name}: no layout works", fix)

    def forward(self, waveforms: Tensor) -> Tensor:
        """``(batch, samples)`` to features."""
        axis = {"bt": None, "b1t": 1, "bt1": 2}[self.layout]
        outputs: Tensor = self.peer(waveforms if axis is None else waveforms.unsqueeze(axis))
        return outputs


def build(peer: Peer) -> nn.Module:
    """The frontend. This runs its code.

    Raises:
        LeafError: it cannot be imported or built.
    """
    if peer.folder:
        sys.path.insert(0, str(Path(peer.folder).absolute()))
    try:
        module = importlib.import_module(peer.module)
        made = eval(peer.expression, vars(module))  # noqa: S307 - the user's own expression
    except Exception as error:
        fix = "check folder, module and expression; install what it needs"
        got = f"{type(error).__name__}: {error}"
        raise LeafError("benchmark", "--peer", f"{peer.name} to be built", got, fix) from error
    finally:
        if peer.folder:
            sys.path.remove(str(Path(peer.folder).absolute()))
    return Adapted(made, peer.name)
