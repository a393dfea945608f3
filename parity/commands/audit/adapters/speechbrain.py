"""``speechbrain.lobes.features.Leaf`` of the package speechbrain."""

from __future__ import annotations

import importlib.metadata

from parity.commands.audit.adapters._common import evaluate
from parity.commands.audit.foreign import Foreign, Slots, import_module

NAME = "speechbrain"
FACTORY = "Leaf(out_channels=40, in_channels=1, min_freq=60.0, max_freq=7800.0)"
SLOTS: Slots = {
    "gabor": ["complex_conv.kernel"],
    "pooling": ["pooling.weights"],
    "alpha": ["compression.alpha"],
    "delta": ["compression.delta"],
    "root": ["compression.root"],
    "smooth": ["compression.ema._weights"],
}


def build(target: str, factory: str | None, slots: Slots) -> Foreign:
    """SpeechBrain's Leaf with the official arguments; its own default is another upper edge."""
    del target
    module = import_module(NAME, "speechbrain.lobes.features")
    leaf = evaluate(NAME, module, (factory or FACTORY).removeprefix("speechbrain.lobes.features:"))
    source = f"speechbrain {importlib.metadata.version('speechbrain')}"
    notes = [] if factory else ["built with max_freq=7800; its own default is Nyquist, 8000 Hz"]
    return Foreign(NAME, source, leaf, {**SLOTS, **slots}, notes)
