"""Who imports whom: leaf_port nobody, weight_conversion leaf_port, parity both.

Within a package a module imports from its own folder and from earlier ones, in the order that data
takes. A new folder gets its place in ``STEPS``.
"""

from __future__ import annotations

import ast
import graphlib
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FORBIDDEN = {
    "leaf_port": ("parity", "weight_conversion", "tensorflow", "tests"),
    "weight_conversion": ("parity", "tests"),
    "parity": ("tests",),
}
STEPS = {
    "leaf_port": None,
    "weight_conversion": (
        "formats",
        "official",
        "foreign",
        "reference",
        "verification",
        "cli",
        "__main__",
    ),
    "parity": (
        "spec",
        "oracles",
        "port",
        "layers",
        "checks",
        "report",
        "commands",
        "test_parity",
        "pytest_plugin",
        "__main__",
    ),
}
# Joins the comparison with its judges and backends.
COMPOSITION_ROOT = "weight_conversion.verification.verified_folder"
# Starts the official code as the suite does: there is one way to.
SESSION = "weight_conversion.reference.session"
# Runs next to TensorFlow, in another interpreter.
BESIDE_TENSORFLOW = "weight_conversion.reference.worker"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in FORBIDDEN
    for path in sorted((ROOT / package).rglob("*.py"))
}


def imported(module: str) -> Iterator[str]:
    """The names that a module imports anywhere, and strings that look like such names."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.module is not None, f"{module}: a relative import"
            assert not node.level, f"{module}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            parts = node.value.split(".")
            if parts[0] in FORBIDDEN and len(parts) > 1 and node.value.replace(".", "").isalpha():
                yield node.value


def imports(module: str) -> set[str]:
    """The modules of this repository that a module imports."""
    whole = {name if name in MODULES else name.rpartition(".")[0] for name in imported(module)}
    return (whole & MODULES.keys()) - {module}


def step(module: str) -> int:
    """Where in its package's order a module is."""
    package, _, rest = module.partition(".")
    return STEPS[package].index(rest.partition(".")[0])


def test_the_modules_are_found() -> None:
    assert {name.partition(".")[0] for name in MODULES} == set(FORBIDDEN)
    assert any(name.startswith("parity.") for name in imports(COMPOSITION_ROOT))


@pytest.mark.parametrize("package", FORBIDDEN)
def test_nothing_is_imported_against_the_flow(package: str) -> None:
    wrong = {
        name: found
        for name in MODULES
        if name.partition(".")[0] == package
        and name not in (COMPOSITION_ROOT, SESSION, BESIDE_TENSORFLOW)
        and (found := {each.partition(".")[0] for each in imported(name)} & {*FORBIDDEN[package]})
    }
    assert wrong == {}


@pytest.mark.parametrize("package", [name for name, steps in STEPS.items() if steps])
def test_each_step_knows_the_earlier_ones_alone(package: str) -> None:
    """The public face, ``__init__``, may name all: it is asked for nothing by those inside."""
    upward = [
        f"{name} imports {other}"
        for name in MODULES
        if name.startswith(f"{package}.")
        for other in imports(name)
        if other.startswith(f"{package}.") and step(other) > step(name)
    ]
    assert upward == []


def test_no_circle() -> None:
    """In a circle, whether an import fails depends on which module comes first.

    ``weight_conversion`` names its public functions for type checkers alone.
    """
    known = {name: imports(name) for name in MODULES if name != "weight_conversion"}
    tuple(graphlib.TopologicalSorter(known).static_order())


def test_weight_conversion_loads_without_parity() -> None:
    names = [
        name
        for name in MODULES
        if name.startswith("weight_conversion.")
        and not name.startswith("weight_conversion.reference")
        and "__" not in name
    ]
    line = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]; "
    line += "raise SystemExit(str([n for n in sys.modules if n.split('.')[0] == 'parity']))"
    done = subprocess.run([sys.executable, "-c", line, *names], capture_output=True, text=True)
    assert done.stderr.strip().splitlines()[-1] == "[]"


def test_the_public_face_of_weight_conversion_is_there() -> None:
    face = importlib.import_module("weight_conversion")
    assert all(callable(getattr(face, name)) for name in face.__all__)
    assert set(face.__all__) <= set(dir(face))
    with pytest.raises(AttributeError, match="no attribute 'restore'"):
        face.restore  # noqa: B018
