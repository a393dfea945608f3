"""Records what the official code says of itself; see ``parity/oracles/descriptions.py``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from parity.checks.invariants import made_of
from parity.oracles import descriptions
from parity.oracles.descriptions import Tree
from parity.oracles.official import Official
from parity.port import runner
from parity.spec import LayerSpec


def _names(spec: LayerSpec) -> Iterator[str]:
    for signature in spec.signatures:
        yield from signature.counterparts


def described(spec: LayerSpec, official: Official) -> tuple[Tree, list[Tree]]:
    """The signatures of a declaration, and what its layers are made of."""
    signatures = {name: official.signature(name) for name in _names(spec)}
    found: dict[str, Any] = {
        case.name: official.made_of(spec, runner.ask(spec, case)) for case in made_of.cases(spec)
    }
    return signatures, descriptions.grouped(found)


def update(specs: Sequence[LayerSpec], official: Official, write: bool) -> list[str]:
    """Asks all of it; the names of what differs from what is kept.

    Args:
        specs: the declarations.
        official: the live official implementation.
        write: whether the file is written.
    """
    kept = descriptions.load() if descriptions.FILE.exists() else descriptions.empty()
    tree = {**kept, "signatures": dict(kept["signatures"]), "layers": dict(kept["layers"])}
    for spec in specs:
        signatures, layers = described(spec, official)
        tree["signatures"] |= signatures
        tree["layers"] |= {spec.name: layers} if layers else {}
    tree = {kind: dict(sorted(tree[kind].items())) for kind in descriptions.KINDS}
    different = [
        name
        for kind in ("signatures", "layers")
        for name in tree[kind]
        if tree[kind][name] != kept[kind].get(name)
    ]
    if write and different:
        descriptions.save({**tree, "versions": official.versions})
    return different
