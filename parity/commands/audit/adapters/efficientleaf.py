"""A checkout with the layout of CPJKU/EfficientLEAF: its own Leaf, and its copy of the official."""

from __future__ import annotations

from parity.commands.audit.adapters._common import evaluate, folder_of, source_of
from parity.commands.audit.foreign import Foreign, Slots, import_module

NAME = "efficientleaf"
SLOTS: Slots = {
    "gabor": ["filterbank.center_freqs", "filterbank.bandwidths"],
    "pooling": ["filterbank.pooling_widths"],
    "alpha": ["compression.alpha"],
    "delta": ["compression.delta"],
    "root": ["compression.r"],
    "smooth": ["compression.s"],
}
OG_NAME = "efficientleaf-og"
OG_SLOTS: Slots = {
    "gabor": ["_complex_conv._kernel"],
    "pooling": ["_pooling.kernel"],
    "alpha": ["_compress_fn.alpha"],
    "delta": ["_compress_fn.delta"],
    "root": ["_compress_fn.root"],
    "smooth": ["_compress_fn.ema._weights"],
}


def build(target: str, factory: str | None, slots: Slots) -> Foreign:
    """The default ``model.leaf.Leaf``."""
    folder = folder_of(NAME, target, "model/leaf.py")
    leaf = evaluate(NAME, import_module(NAME, "model.leaf", folder), factory or "Leaf()")
    notes = ["model/OG_leaf.py is audited with --adapter efficientleaf-og"]
    return Foreign(NAME, f"{source_of(folder)}, model/leaf.py", leaf, {**SLOTS, **slots}, notes)


def build_og(target: str, factory: str | None, slots: Slots) -> Foreign:
    """The default ``model.OG_leaf.Leaf``."""
    folder = folder_of(OG_NAME, target, "model/OG_leaf.py")
    leaf = evaluate(OG_NAME, import_module(OG_NAME, "model.OG_leaf", folder), factory or "Leaf()")
    source = f"{source_of(folder)}, model/OG_leaf.py"
    return Foreign(OG_NAME, source, leaf, {**OG_SLOTS, **slots})
