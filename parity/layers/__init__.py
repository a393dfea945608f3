"""One file a layer, one declaration (``SPEC``) in each; whoever wants them all loops over them."""

from __future__ import annotations

import importlib
import pkgutil

from parity.spec import LayerSpec


def all_specs() -> dict[str, LayerSpec]:
    """Every declaration, by name, in the order of their files."""
    specs: dict[str, LayerSpec] = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name.startswith("_"):
            continue
        spec = importlib.import_module(f"{__name__}.{module.name}").SPEC
        if spec.name in specs:
            raise ValueError(f"two declarations are named {spec.name}")
        specs[spec.name] = spec
    return specs
