"""What several commands take."""

from __future__ import annotations

from typing import Annotated

import typer

from leaf_port.errors import LeafError
from parity.layers import all_specs
from parity.spec import LayerSpec

Layers = Annotated[
    list[str] | None, typer.Option("--layer", help="Only this layer; may be given several times.")
]


def chosen_layers(layers: list[str] | None) -> list[LayerSpec]:
    """Their declarations; of all layers if none is named.

    Raises:
        LeafError: an unknown name.
    """
    specs = all_specs()
    for name in layers or ():
        if name not in specs:
            known = ", ".join(specs)
            raise LeafError("parity", "--layer", f"one of {known}", name, "give one of them")
    return [spec for name, spec in specs.items() if not layers or name in layers]
