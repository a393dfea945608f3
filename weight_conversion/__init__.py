"""Official TensorFlow checkpoints, read without TensorFlow and without pickle.

``convert`` makes a folder that ``from_pretrained`` loads of an official checkpoint, ``export``
writes a folder's weights as a TensorFlow checkpoint, ``import_port`` takes the weights of other
PyTorch ports. ``verify`` compares what a folder's model computes with every other source.
``open_checkpoint`` lists a checkpoint's weights, ``restore_adam`` continues its optimiser.

The names are imported when they are used: a process that only reads a file loads no model.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weight_conversion.foreign.import_port import import_port as import_port
    from weight_conversion.official.adam import restore as restore_adam
    from weight_conversion.official.convert import convert as convert
    from weight_conversion.official.opening import open_source as open_checkpoint
    from weight_conversion.reference.export import export as export
    from weight_conversion.verification.verified_folder import verify_folder as verify

__all__ = ["convert", "export", "import_port", "open_checkpoint", "restore_adam", "verify"]

_AT = {
    "convert": ("official.convert", "convert"),
    "export": ("reference.export", "export"),
    "import_port": ("foreign.import_port", "import_port"),
    "open_checkpoint": ("official.opening", "open_source"),
    "restore_adam": ("official.adam", "restore"),
    "verify": ("verification.verified_folder", "verify_folder"),
}


def __getattr__(name: str) -> Any:
    """A public function, imported when it is asked for."""
    if name not in _AT:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _AT[name]
    return getattr(importlib.import_module(f"{__name__}.{module}"), attribute)


def __dir__() -> list[str]:
    """The public names."""
    return sorted([*globals(), *__all__])
