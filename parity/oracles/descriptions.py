"""What the official code says of itself: its signatures, and what each layer is made of.

``parity/recordings/descriptions.json``, which ``python -m parity record`` writes from the live
code: one line a signature, one line a layer of some configurations. A hash covers all of it.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from leaf_port import _publish
from leaf_port.errors import LeafError
from parity.oracles.recorded import FOLDER, RECORD_AGAIN

FILE = FOLDER / "descriptions.json"
KINDS = ("versions", "signatures", "layers")

Tree = dict[str, Any]


def empty() -> Tree:
    """A file in which nothing is described."""
    return {kind: {} for kind in KINDS}


@functools.cache
def load(path: Path = FILE) -> Tree:
    """What was recorded.

    Raises:
        LeafError: there is no such file, or it is damaged.
    """
    try:
        tree: Tree = json.loads(path.read_text(encoding="utf-8"))
        whole = tree.pop("seal") == _seal(tree) and set(tree) == set(KINDS)
    except FileNotFoundError as error:
        raise _refused("a file", "none", path) from error
    except (OSError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise _refused("a file as it was written", f"{type(error).__name__}: {error}", path) from (
            error
        )
    if not whole:
        raise _refused("a file as it was written", "another hash than its seal", path)
    return tree


def _refused(expected: str, got: str, path: Path) -> LeafError:
    name = f"{path.parent.name}/{path.name}"
    return LeafError("recorded oracle", name, expected, got, RECORD_AGAIN)


def signature(name: str) -> Mapping[str, Sequence[Any]]:
    """The arguments of an official class or function: ``[]`` or ``[default]`` by name.

    Raises:
        LeafError: it is not recorded.
    """
    found: Mapping[str, Sequence[Any]] | None = load()["signatures"].get(name)
    if found is None:
        raise LeafError("recorded oracle", name, "a recorded signature", "none", RECORD_AGAIN)
    return found


def made_of(layer: str, case: str) -> Mapping[str, Any]:
    """What the official layer of a case is made of: ``weights`` and ``layers``, by path.

    Raises:
        LeafError: it is not recorded.
    """
    for each in load()["layers"].get(layer, ()):
        if case in each["cases"]:
            found: Mapping[str, Any] = each
            return found
    what = f"{layer} [{case}]"
    raise LeafError("recorded oracle", what, "a recorded description", "none", RECORD_AGAIN)


def grouped(found: Mapping[str, Tree]) -> list[Tree]:
    """What cases are made of, each description once with the cases that have it."""
    groups: dict[str, Tree] = {}
    for case, tree in found.items():
        groups.setdefault(json.dumps(tree), {"cases": [], **tree})["cases"].append(case)
    return list(groups.values())


def save(tree: Tree, path: Path = FILE) -> None:
    """Writes the file, whole or not at all."""
    text = _text({"seal": _seal(tree), **tree})
    with _publish.new_file(path) as file:
        file.write_text(text, encoding="utf-8")
    load.cache_clear()


def _seal(tree: Tree) -> str:
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()


def _text(tree: Tree) -> str:
    """JSON, a line for each signature and for each description of a layer."""
    lines = [f' "seal": {json.dumps(tree["seal"])}', f' "versions": {json.dumps(tree["versions"])}']
    signatures = [f"  {json.dumps(n)}: {json.dumps(s)}" for n, s in tree["signatures"].items()]
    layers = [
        f"  {json.dumps(name)}: [\n"
        + ",\n".join(f"   {json.dumps(each)}" for each in all_)
        + "\n  ]"
        for name, all_ in tree["layers"].items()
    ]
    for kind, entries in (("signatures", signatures), ("layers", layers)):
        lines.append(f' "{kind}": {{\n' + ",\n".join(entries) + "\n }")
    return "{\n" + ",\n".join(lines) + "\n}\n"
