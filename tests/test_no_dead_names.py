"""No module keeps a private name that nothing uses; ruff does not look at these."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("leaf_port", "parity", "weight_conversion")
TREES = {
    path: ast.parse(path.read_text(encoding="utf-8"))
    for folder in (*PACKAGES, "tests")
    for path in sorted((ROOT / folder).rglob("*.py"))
}


def _defined(tree: ast.Module) -> Iterator[str]:
    """The names that a module assigns, and those of its functions without a decorator."""
    for node in tree.body:
        if isinstance(node, ast.Assign):
            yield from (each.id for each in node.targets if isinstance(each, ast.Name))
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.decorator_list:
            yield node.name


def _read(tree: ast.Module) -> set[str]:
    """The names that a module reads as its own."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    return {node.id for node in nodes if isinstance(node.ctx, ast.Load)}


def _taken(tree: ast.Module) -> set[str]:
    """The names that a module takes from others: imports and attributes."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names = {alias.name for node in imports for alias in node.names}
    return names | {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


TAKEN = set().union(*(_taken(tree) for tree in TREES.values()))


@pytest.mark.parametrize("package", PACKAGES)
def test_each_private_name_is_used(package: str) -> None:
    dead = [
        f"{path.relative_to(ROOT)}: {name}"
        for path, tree in TREES.items()
        if path.is_relative_to(ROOT / package)
        for name in {*_defined(tree)} - _read(tree) - TAKEN
        if name.startswith("_") and not name.startswith("__")
    ]
    assert dead == []
