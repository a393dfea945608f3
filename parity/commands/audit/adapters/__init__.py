"""How the foreign ports are built and where their parameters are; which adapter a target needs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from leaf_port.errors import LeafError
from parity.commands.audit.adapters import denfed, efficientleaf, generic, leaf_pytorch, speechbrain
from parity.commands.audit.foreign import Foreign, Slots


class Build(Protocol):
    """Builds the foreign Leaf of a target."""

    def __call__(self, target: str, factory: str | None, slots: Slots) -> Foreign:
        """The port at ``target``, by the user's factory and parameter paths where given."""


ADAPTERS: Mapping[str, Build] = {
    "speechbrain": speechbrain.build,
    "leaf-pytorch": leaf_pytorch.build,
    "denfed": denfed.build,
    "efficientleaf": efficientleaf.build,
    "efficientleaf-og": efficientleaf.build_og,
    "generic": generic.build,
}

# By a file that tells the layout of a folder.
_LAYOUTS = {
    "leaf_pytorch/frontend.py": "leaf-pytorch",
    "leaf_audio_pytorch/frontend.py": "denfed",
    "model/efficientleaf.py": "efficientleaf",
}


def adapter_of(target: str, factory: str | None) -> str:
    """The adapter that a target needs.

    Raises:
        LeafError: none fits.
    """
    if target == "speechbrain":
        return target
    folder = Path(target).expanduser()
    if factory is not None or (":" in target and not folder.exists()):
        return "generic"
    for file, adapter in _LAYOUTS.items():
        if (folder / file).is_file():
            return adapter
    expected = "speechbrain, module:attribute, or a folder of a known layout or with --factory"
    got = f"a folder with none of {', '.join(_LAYOUTS)}" if folder.is_dir() else repr(target)
    fix = "give --factory module:expression, which builds the Leaf"
    raise LeafError("audit", "TARGET", expected, got, fix)


def load(
    target: str, adapter: str | None = None, factory: str | None = None, slots: Slots | None = None
) -> Foreign:
    """Builds the foreign Leaf of a target.

    Raises:
        LeafError: it cannot be imported, or does not fit the adapter.
    """
    name = adapter or adapter_of(target, factory)
    if name not in ADAPTERS:
        known = ", ".join(ADAPTERS)
        raise LeafError("audit", "--adapter", f"one of {known}", name, "give one of them")
    return ADAPTERS[name](target, factory, slots or {})
