"""A checkout with the layout of SarthakYadav/leaf-pytorch."""

from __future__ import annotations

from parity.commands.audit.adapters._common import evaluate, folder_of, source_of
from parity.commands.audit.foreign import Foreign, Slots, import_module

NAME = "leaf-pytorch"
SLOTS: Slots = {
    "gabor": ["_complex_conv._kernel"],
    "pooling": ["_pooling.weights"],
    "alpha": ["_compression.alpha"],
    "delta": ["_compression.delta"],
    "root": ["_compression.root"],
    "smooth": ["_compression.ema._weights"],
}


def build(target: str, factory: str | None, slots: Slots) -> Foreign:
    """The default Leaf of the checkout at ``target``."""
    folder = folder_of(NAME, target, "leaf_pytorch/frontend.py")
    module = import_module(NAME, "leaf_pytorch.frontend", folder)
    leaf = evaluate(NAME, module, factory or "Leaf()")
    return Foreign(NAME, source_of(folder), leaf, {**SLOTS, **slots})
