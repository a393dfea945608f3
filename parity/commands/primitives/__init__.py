"""TensorFlow's own functions that leaf_audio is built of, against the pieces of the port for them.

One file a primitive, one declaration (``PRIMITIVE``) in each, of the same kind as a layer's. They
need the reference's interpreter and no checkout of leaf_audio.
"""

from __future__ import annotations

import importlib
import pkgutil

from parity.commands.primitives._common import Primitive


def all_primitives() -> dict[str, Primitive]:
    """Every declaration, by name, in the order of their files."""
    found: dict[str, Primitive] = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name.startswith("_"):
            continue
        primitive: Primitive = importlib.import_module(f"{__name__}.{module.name}").PRIMITIVE
        if primitive.spec.name in found:
            raise ValueError(f"two declarations are named {primitive.spec.name}")
        found[primitive.spec.name] = primitive
    return found
